const FIRST = 300;
const LONGEST = 8_000;

/** Milliseconds to wait before each try: doubled each time, spread so that not all come at once. */
export class Backoff {
  private tries = 0;

  constructor(private readonly random: () => number = Math.random) {}

  next(): number {
    const whole = Math.min(LONGEST, FIRST * 2 ** this.tries++);
    return whole * (0.5 + this.random() / 2);
  }

  reset(): void {
    this.tries = 0;
  }
}
