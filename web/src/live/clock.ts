import type { Pong } from "../protocol";

const KEPT = 12;
const ASKED = 10;
const WORTH = 0.02;
/**
 * Seconds by which a pong may name too early a place: a frame, and the lateness of a busy server.
 * One that stands still for half a second or more goes on from where it was.
 */
const BEHIND = 0.25;

/**
 * Where the server is on the stream clock, learnt from pings and pongs: a pong says where it was
 * when it answered, which was half a round trip ago.
 */
export class ServerClock {
  private samples: { offset: number; trip: number }[] = [];
  private offset: number | null = null;
  private best = 0;
  private readonly asked = new Set<number>();

  /** The local time now, for a ping that is sent with it. */
  ask(): number {
    const sent = performance.now() / 1000;
    this.asked.add(sent);
    if (this.asked.size > ASKED) this.asked.delete(Math.min(...this.asked));
    return sent;
  }

  /** Take a pong as it comes; others may listen to the session, whose pongs come here too. */
  hear(pong: Pong): void {
    if (this.asked.delete(pong.sent)) this.note(pong.sent, performance.now() / 1000, pong.at);
  }

  /** Seconds there and back, the least of late; null before the first pong. */
  get roundTrip(): number | null {
    return this.samples.length ? this.best : null;
  }

  /**
   * Take a pong. All in seconds.
   * @param sent local time of the ping
   * @param received local time of the pong
   * @param at the pong's place on the stream clock
   */
  note(sent: number, received: number, at: number): void {
    const trip = Math.max(0, received - sent);
    const offset = at - (sent + received) / 2;
    // What no longer can be true: the server stood still since.
    this.samples = this.samples.filter((s) => s.offset - s.trip / 2 <= offset + trip / 2 + BEHIND);
    this.samples.push({ offset, trip });
    if (this.samples.length > KEPT) this.samples.shift();
    this.best = Math.min(...this.samples.map((s) => s.trip));
    // A slow trip says little of its middle. Of the others the largest, as `at` is the beginning
    // of the frame that was being played: it is too small by up to one.
    const good = this.samples.filter((s) => s.trip <= this.best + WORTH);
    this.offset = Math.max(...good.map((s) => s.offset));
  }

  /** Seconds on the stream clock that leave the server now; null before the first pong. */
  at(local: number): number | null {
    return this.offset === null ? null : this.offset + local;
  }

  reset(): void {
    this.samples = [];
    this.offset = null;
    this.asked.clear();
  }
}

/** A clock that never runs backwards, except when it is far off. */
export class SmoothClock {
  private last = 0;

  read(measured: number): number {
    const wrong = this.last - measured;
    if (wrong > 0 && wrong < 0.5) return this.last;
    this.last = measured;
    return measured;
  }

  reset(): void {
    this.last = 0;
  }
}
