import type { ServerEvent } from "../protocol";

/** Longest that an event is held back: a player that stands still must not freeze the page. */
const LONGEST_WAIT = 5;

/**
 * Holds events back until the player gets to their moment: the server sends them when the sound
 * leaves it, which a buffering player plays later. What the user did is shown at once.
 */
export class Pacing {
  private waiting: { event: ServerEvent; arrived: number }[] = [];

  constructor(
    private readonly now: () => number,
    private readonly wallClock: () => number = () => performance.now() / 1000,
  ) {}

  /** Take an event; returns those that are due, in order. */
  take(event: ServerEvent): ServerEvent[] {
    const breaksOff =
      (event.type === "turn.ended" && event.reason !== "complete") ||
      (event.type === "session.state" && (event.state === "listening" || event.state === "thinking")) ||
      event.type === "history.cleared" ||
      event.type === "session.ended" ||
      event.type === "session.started";
    if (breaksOff) return [...this.breakOff(), event];
    if (!isPaced(event)) return [event];
    this.waiting.push({ event, arrived: this.wallClock() });
    return this.due();
  }

  /** Those that became due since. */
  due(): ServerEvent[] {
    const [now, wall] = [this.now(), this.wallClock()];
    let count = 0;
    for (const { event, arrived } of this.waiting) {
      if (event.at > now && wall - arrived < LONGEST_WAIT) break;
      count++;
    }
    return this.waiting.splice(0, count).map(({ event }) => event);
  }

  get isEmpty(): boolean {
    return this.waiting.length === 0;
  }

  /** Nothing more of what was being said is heard: only what closes a turn still counts. */
  private breakOff(): ServerEvent[] {
    const kept = this.waiting.filter(({ event }) => event.type === "turn.ended");
    this.waiting = [];
    return kept.map(({ event }) => event);
  }
}

function isPaced(event: ServerEvent): boolean {
  return (
    event.type === "sentence.started" ||
    event.type === "turn.ended" ||
    (event.type === "session.state" && (event.state === "speaking" || event.state === "idle"))
  );
}
