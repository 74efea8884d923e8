import type { ServerEvent } from "../protocol";

/**
 * The typed question until the server has begun it. One that was sent into a line that breaks may
 * not have arrived; it goes out again over the next one. A newer question takes its place, as it
 * would break off the answer.
 */
export class Outbox {
  private question = "";

  /** @param told the question that waits changed; empty when none does */
  constructor(private readonly told: (question: string) => void) {}

  get waiting(): string {
    return this.question;
  }

  put(question: string): void {
    this.set(question);
  }

  /** Take an event. Returns the question that is to be sent now, if there is one. */
  take(event: ServerEvent): string | null {
    if (event.type === "session.started" && this.question) return this.question;
    // A refusal of a command has no turn. The page shows it, with a way to ask again.
    const isRefused = event.type === "error" && event.turn === 0;
    if ((event.type === "turn.started" && event.kind === "text") || isRefused) this.clear();
    return null;
  }

  clear(): void {
    this.set("");
  }

  private set(question: string): void {
    if (question === this.question) return;
    this.question = question;
    this.told(question);
  }
}
