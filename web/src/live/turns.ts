import type { ServerEvent } from "../protocol";

/** What is being said, as far as playing is concerned. */
export class Turns {
  private turn = 0;
  private ends: number | null = null;

  /** Take an event. Returns the place from which an interrupted answer is silent, if it is one. */
  take(event: ServerEvent): number | null {
    if (event.type === "turn.started") {
      this.turn = event.turn;
      this.ends = null;
    } else if (event.type === "turn.ended" && event.turn >= this.turn) {
      this.turn = event.turn;
      this.ends = event.at;
      return event.reason === "interrupted" ? event.at : null;
    } else if (event.type === "session.started") {
      // After a reconnection the end may have been missed.
      const talks = event.state === "speaking" || event.state === "thinking";
      this.ends = talks ? null : event.at;
      this.turn = talks ? Math.max(this.turn, event.turn) : this.turn;
    }
    return null;
  }

  /** Whether something is said, or about to be, at this place on the stream clock. */
  isOn(now: number): boolean {
    return this.turn > 0 && (this.ends === null || now < this.ends);
  }

  /** Whether the answer's end is known and past. */
  isOver(now: number): boolean {
    return this.ends !== null && now >= this.ends;
  }

  reset(): void {
    this.turn = 0;
    this.ends = null;
  }
}
