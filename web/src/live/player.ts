const LONGEST_HUSH = 3_000;

/** The element that plays: started where the browser lets it, and silenced at once when asked. */
export class Player {
  private muted = false;
  private until: (() => boolean) | null = null;
  private timer: ReturnType<typeof setInterval> | undefined;

  /** @param onrefused the browser wants a tap before it plays sound */
  constructor(
    readonly element: HTMLVideoElement,
    private readonly onrefused: (why: string) => void,
  ) {
    element.playsInline = true;
    element.autoplay = true;
  }

  /** Play; without sound where the browser refuses, and say so. */
  async play(): Promise<void> {
    try {
      await this.element.play();
    } catch (error) {
      // An AbortError says that another source was set meanwhile: that one is played then.
      if ((error as DOMException).name !== "NotAllowedError") return;
      this.element.muted = true;
      this.onrefused((error as Error).message);
      await this.element.play().catch(() => undefined);
    }
  }

  /** Be silent until something is true, three seconds at most. */
  hush(until: () => boolean): void {
    if (!this.until) this.muted = this.element.muted;
    this.element.muted = true;
    this.until = until;
    const began = Date.now();
    clearInterval(this.timer);
    this.timer = setInterval(() => {
      if (this.until?.() || Date.now() - began > LONGEST_HUSH) this.speak();
    }, 20);
  }

  /** Be heard again. */
  speak(): void {
    clearInterval(this.timer);
    if (!this.until) return;
    this.until = null;
    this.element.muted = this.muted;
  }

  release(): void {
    this.speak();
    this.element.pause();
    this.element.srcObject = null;
  }
}
