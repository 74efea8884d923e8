/** Round numbers for an axis from 0: at most `most` steps that reach `top`. Whole ones only. */
export function makeTicks(top: number, most = 4): number[] {
  const rough = Math.max(1, top) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) ?? 10 * power);
  const ticks = [0];
  while ((ticks.at(-1) ?? 0) < Math.max(1, top)) ticks.push((ticks.at(-1) ?? 0) + step);
  return ticks;
}

/** Every how many labels one is shown, so that each has `room` pixels. */
export function thinOut(labels: number, width: number, room: number): number {
  const fitting = Math.max(1, Math.floor(width / room));
  return Math.max(1, Math.ceil(labels / fitting));
}
