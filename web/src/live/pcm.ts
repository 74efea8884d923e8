const ZERO_CROSSINGS = 24;
const CUT = 0.92;

/**
 * Brings sound down to another rate, in chunks, by a windowed sinc; and floats to PCM16. Places are
 * counted in whole parts of a sample, so the chunks put together are the conversion of the whole.
 */
export class Downsampler {
  /** Places between two samples at which an output may lie. */
  private readonly parts: number;
  /** Parts from one output to the next. */
  private readonly step: number;
  private readonly half: number;
  private readonly filters = new Map<number, Float32Array>();
  private kept: Float32Array;
  private place: number;

  /** @param to Hz; not above `from` */
  constructor(from: number, to: number) {
    const common = divide(from, to);
    this.parts = to / common;
    this.step = from / common;
    this.half = from === to ? 0 : Math.ceil((ZERO_CROSSINGS * from) / to);
    this.kept = new Float32Array(this.half);
    this.place = this.half * this.parts;
  }

  feed(chunk: Float32Array): Int16Array<ArrayBuffer> {
    const all = new Float32Array(this.kept.length + chunk.length);
    all.set(this.kept);
    all.set(chunk, this.kept.length);
    const room = (all.length - this.half - 1) * this.parts - this.place;
    const made = new Int16Array(room < 0 ? 0 : Math.floor(room / this.step) + 1);
    for (let n = 0; n < made.length; n++) {
      made[n] = Math.round(Math.max(-1, Math.min(1, this.at(all))) * 32767);
      this.place += this.step;
    }
    const drop = Math.min(all.length, Math.floor(this.place / this.parts) - this.half);
    this.kept = all.slice(drop);
    this.place -= drop * this.parts;
    return made;
  }

  /** The samples around the place, weighed. */
  private at(all: Float32Array): number {
    const phase = this.place % this.parts;
    const first = (this.place - phase) / this.parts - this.half;
    const filter = this.filter(phase);
    let sum = 0;
    for (let i = 0; i < filter.length; i++) sum += all[first + i]! * filter[i]!;
    return sum;
  }

  private filter(phase: number): Float32Array {
    let taps = this.filters.get(phase);
    if (taps) return taps;
    taps = Float32Array.from({ length: 2 * this.half + 1 }, (_, i) => {
      const x = i - this.half - phase / this.parts;
      const angle = (Math.PI * x * CUT * this.parts) / this.step;
      const window = 0.5 + 0.5 * Math.cos((Math.PI * x) / (this.half + 1));
      return (angle === 0 ? 1 : Math.sin(angle) / angle) * window;
    });
    const sum = taps.reduce((a, b) => a + b, 0);
    taps = taps.map((tap) => tap / sum);
    this.filters.set(phase, taps);
    return taps;
  }
}

function divide(a: number, b: number): number {
  return b === 0 ? a : divide(b, a % b);
}
