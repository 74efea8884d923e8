/** What keeps a player near the live edge of an MSE buffer; numbers in, numbers out. */

/** Seconds behind the newest sample that are aimed at, at first. */
export const TARGET = 0.22;
const LARGEST_TARGET = 1;
const GROWTH = 0.12;
const RELAX = 0.004;
/** Seconds beyond the target at which playing is hastened. */
const SLACK = 0.12;
/** Seconds beyond the target at which it jumps. */
const FAR = 1;
const HASTE = 1.1;
const LEISURE = 0.94;
/** Seconds kept behind the place that plays; a keyframe comes every two. */
const BEHIND = 5;
const REMOVE_EVERY = 5;

export interface Range {
  start: number;
  end: number;
}

export interface Move {
  /** Where to jump; null to stay. */
  seek: number | null;
  rate: number;
}

export class LiveEdge {
  private target = TARGET;
  private hastening = false;

  /** The player ran dry: keep more in hand from now on. */
  stalled(): void {
    this.target = Math.min(LARGEST_TARGET, this.target + GROWTH);
  }

  /** Seconds that are aimed at now. */
  get aim(): number {
    return this.target;
  }

  /**
   * @param place seconds that play now
   * @param ranges what is buffered, in order
   */
  move(place: number, ranges: readonly Range[]): Move {
    const newest = ranges.at(-1);
    if (!newest) return { seek: null, rate: 1 };
    const goal = Math.max(newest.start, newest.end - this.target);
    const inside = place >= newest.start - 0.02 && place <= newest.end;
    const behind = newest.end - place;
    if (!inside || behind > this.target + FAR) {
      this.hastening = false;
      // Running a little ahead of a gapless range is a stall, which ends by itself.
      if (place > newest.end && place - newest.end < 0.5) return { seek: null, rate: 1 };
      return { seek: goal, rate: 1 };
    }
    this.target = Math.max(TARGET, this.target - RELAX);
    if (behind > this.target + SLACK) this.hastening = true;
    else if (behind <= this.target) this.hastening = false;
    if (this.hastening) return { seek: null, rate: HASTE };
    return { seek: null, rate: behind < this.target / 3 ? LEISURE : 1 };
  }
}

/** What may be thrown away of a buffer; null while it is not worth it. */
export function toRemove(place: number, ranges: readonly Range[]): Range | null {
  const oldest = ranges[0];
  if (!oldest) return null;
  const end = place - BEHIND;
  return end - oldest.start >= REMOVE_EVERY ? { start: 0, end } : null;
}
