import { Backoff } from "./backoff";
import { chooseWays, GIVE_UP, PATIENCE, within, type Media } from "./media";
import { chooseSound } from "./mse";
import type { Player } from "./player";

export type Way = Media["kind"];

/** What a carrier needs of its session, and whom it tells. */
export interface CarrierOptions {
  offered: readonly Way[];
  make(way: Way): Media;
  player(): Player;
  /** Whether the server can be reached at all just now. */
  isReachable(): boolean;
  /** Sound and picture came, for the first time or again. */
  came(media: Media): void;
  /** They are gone, and are being brought back. */
  broke(): void;
  /** No way works; it is tried again by itself. */
  failed(why: string): void;
}

/** Gets sound and picture by the first way that works, and again whenever they are gone. */
export class Carrier {
  media: Media | null = null;
  private trial: Media | null = null;
  private failures = 0;
  /** Rises with each try; what carries an older number is stale. */
  private epoch = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private readonly backoff = new Backoff();

  constructor(private readonly options: CarrierOptions) {}

  /** Try each way, from the first one. Resolves when one works, or none did. */
  async carry(): Promise<void> {
    this.close();
    const { epoch } = this;
    const { offered, make, isReachable, failed } = this.options;
    const can = { webrtc: "RTCPeerConnection" in globalThis, mse: chooseSound() !== null };
    let why = "this browser has no way to play";
    for (const way of chooseWays(offered, can, this.failures)) {
      const media = (this.trial = make(way));
      try {
        await this.start(media);
      } catch (error) {
        media.close();
        if (epoch !== this.epoch) return;
        why = error instanceof Error ? error.message : String(error);
        // Where nothing at all gets through, that says nothing of WebRTC.
        if (way === "webrtc" && isReachable()) this.failures += GIVE_UP;
        continue;
      }
      if (epoch !== this.epoch) return media.close();
      this.adopt(media);
      return;
    }
    this.trial = null;
    this.retry = setTimeout(() => void this.carry(), this.backoff.next() + 1_000);
    failed(why);
  }

  /** Free everything; `carry` begins anew. */
  close(): void {
    this.epoch++;
    clearTimeout(this.retry);
    this.media?.close();
    this.trial?.close();
    this.media = this.trial = null;
  }

  private async start(media: Media): Promise<void> {
    const player = this.options.player();
    const starts = media.start(player.element);
    void player.play();
    await within(PATIENCE, starts, `no picture came within ${PATIENCE} s`);
  }

  private adopt(media: Media): void {
    this.media = media;
    this.trial = null;
    this.backoff.reset();
    media.onbroken = () => {
      if (media.kind === "webrtc" && this.options.isReachable()) this.failures++;
      void this.carry();
      this.options.broke();
    };
    this.options.came(media);
  }
}
