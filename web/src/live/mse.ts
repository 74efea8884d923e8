import { LiveEdge, toRemove, type Range } from "./edge";
import { firstPicture, type Media } from "./media";
import type { PcmCapture } from "./microphone";
import type { Figures } from "./types";

const OPUS = 'video/mp4; codecs="avc1.42c01f,opus"';
const AAC = 'video/mp4; codecs="avc1.42c01f,mp4a.40.2"';
const TELL_EVERY = 250;
const LOOK_EVERY = 100;
const SILENT_FOR = 5_000;
const MOST_WAITING = 250;

interface Announcement {
  mime: string;
  start: number;
}

type MediaSourceClass = typeof MediaSource;

/** The browser's MediaSource, or the one of iPhones; null where there is neither. */
export function mediaSource(): MediaSourceClass | null {
  const those = globalThis as unknown as {
    ManagedMediaSource?: MediaSourceClass;
    MediaSource?: MediaSourceClass;
  };
  return those.MediaSource ?? those.ManagedMediaSource ?? null;
}

/** The sound that this browser plays in fragmented MP4, the quicker first; null when none. */
export function chooseSound(): "opus" | "aac" | null {
  const source = mediaSource();
  if (source?.isTypeSupported(OPUS)) return "opus";
  return source?.isTypeSupported(AAC) ? "aac" : null;
}

export interface MseOptions {
  /** Opens the media WebSocket with this query. */
  socket: (query: string) => WebSocket;
  capture: (stream: MediaStream, send: (pcm: ArrayBuffer) => void) => Promise<PcmCapture>;
  rate: number;
}

/** Sound and picture over a WebSocket and Media Source Extensions. */
export class MseMedia implements Media {
  readonly kind = "mse";
  onbroken: ((why: string) => void) | null = null;

  private readonly edge = new LiveEdge();
  private readonly queue: (ArrayBuffer | Announcement)[] = [];
  private socket: WebSocket | null = null;
  private player: HTMLVideoElement | null = null;
  private source: MediaSource | null = null;
  private buffer: SourceBuffer | null = null;
  private address = "";
  private capture: PcmCapture | null = null;
  private timers: ReturnType<typeof setInterval>[] = [];
  private arrived = 0;
  private bytes = 0;
  private measured = { time: 0, bytes: 0, frames: 0 };
  private played = false;
  private closed = false;
  private failStart: ((error: Error) => void) | null = null;
  private readonly stalled = () => this.played && this.edge.stalled();

  constructor(private readonly options: MseOptions) {}

  async start(player: HTMLVideoElement): Promise<void> {
    const sound = chooseSound();
    const Source = mediaSource();
    if (!sound || !Source) throw new Error("this browser plays no fragmented MP4");
    const failed = new Promise<never>((_, reject) => (this.failStart = reject));
    const picture = this.play(player, new Source(), sound);
    await Promise.race([picture, failed]);
    this.failStart = null;
    this.played = true;
    this.measured.time = performance.now() / 1000;
  }

  attach(player: HTMLVideoElement): void {
    if (this.player === player && player.src === this.address && this.address) return;
    // A source cannot move from one element to another.
    if (this.player) this.fail("the player was exchanged");
  }

  async setMicrophone(stream: MediaStream | null): Promise<void> {
    this.capture?.close();
    this.capture = null;
    if (!stream) return;
    const capture = await this.options.capture(stream, (pcm) => {
      if (this.socket?.readyState === 1) this.socket.send(pcm);
    });
    if (this.closed) capture.close();
    else this.capture = capture;
  }

  now(): number | null {
    // Timestamps are the stream clock's, so the player's time is too.
    return this.played && this.player ? this.player.currentTime : null;
  }

  skip(): void {
    const newest = this.ranges().at(-1);
    if (!this.player || !newest) return;
    const goal = newest.end - 0.08;
    if (goal - this.player.currentTime > 0.1) this.player.currentTime = goal;
  }

  figures(): Promise<Partial<Figures>> {
    const player = this.player;
    const newest = this.ranges().at(-1);
    if (!player || !newest) return Promise.resolve({});
    const quality = player.getVideoPlaybackQuality();
    const now = performance.now() / 1000;
    const shown = quality.totalVideoFrames - quality.droppedVideoFrames;
    const span = now - this.measured.time;
    const known: Partial<Figures> = {
      buffered: Math.max(0, newest.end - player.currentTime),
      droppedFrames: quality.droppedVideoFrames,
      fps: (shown - this.measured.frames) / span,
      bitrate: ((this.bytes - this.measured.bytes) * 8) / span / 1000,
    };
    this.measured = { time: now, bytes: this.bytes, frames: shown };
    return Promise.resolve(known);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.onbroken = null;
    for (const timer of this.timers) clearInterval(timer);
    this.capture?.close();
    this.socket?.close();
    this.queue.length = 0;
    if (this.player) {
      this.player.removeEventListener("waiting", this.stalled);
      if (this.player.src === this.address) {
        this.player.removeAttribute("src");
        this.player.load();
      }
      this.player.playbackRate = 1;
    }
    if (this.address) URL.revokeObjectURL(this.address);
  }

  private async play(player: HTMLVideoElement, source: MediaSource, sound: string): Promise<void> {
    this.player = player;
    this.source = source;
    player.srcObject = null;
    player.disableRemotePlayback = true; // or iPhones refuse a ManagedMediaSource
    this.address = URL.createObjectURL(source);
    player.src = this.address;
    player.addEventListener("waiting", this.stalled);
    player.addEventListener("error", () => this.fail(player.error?.message || "playing failed"));
    if (source.readyState !== "open")
      await new Promise<void>((resolve) =>
        source.addEventListener("sourceopen", () => resolve(), { once: true }),
      );
    if (this.closed) throw new Error("closed");
    const socket = this.options.socket(`audio=${sound}&rate=${this.options.rate}`);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onmessage = (message: MessageEvent) => this.take(message.data as string | ArrayBuffer);
    socket.onclose = (close: CloseEvent) => this.fail(`the media socket closed (${close.code})`);
    this.timers.push(setInterval(() => this.tell(), TELL_EVERY));
    this.timers.push(setInterval(() => this.look(), LOOK_EVERY));
    this.arrived = Date.now();
    await firstPicture(player);
  }

  private take(data: string | ArrayBuffer): void {
    this.arrived = Date.now();
    if (typeof data === "string") {
      this.queue.push(JSON.parse(data) as Announcement);
    } else {
      this.bytes += data.byteLength;
      this.queue.push(data);
    }
    if (this.queue.length > MOST_WAITING) this.fail("the player takes nothing");
    else this.append();
  }

  private append(): void {
    if (this.closed || this.source?.readyState !== "open" || this.buffer?.updating) return;
    const next = this.queue.shift();
    if (next === undefined) return;
    try {
      if (next instanceof ArrayBuffer) {
        this.buffer?.appendBuffer(next);
        return;
      }
      if (!this.buffer) {
        this.buffer = this.source.addSourceBuffer(next.mime);
        this.buffer.mode = "segments";
        this.buffer.addEventListener("updateend", () => this.append());
        this.buffer.addEventListener("error", () => this.fail("a fragment cannot be played"));
      } else if ("changeType" in this.buffer) {
        this.buffer.changeType(next.mime);
      }
    } catch (error) {
      if ((error as DOMException).name === "QuotaExceededError" && next instanceof ArrayBuffer) {
        this.queue.unshift(next);
        this.makeRoom();
        return;
      }
      this.fail(String(error));
      return;
    }
    this.append();
  }

  /** Tell the server up to where media came, so that it does not send what only waits. */
  private tell(): void {
    const newest = this.ranges().at(-1);
    if (newest && this.socket?.readyState === 1)
      this.socket.send(JSON.stringify({ received: newest.end }));
  }

  private look(): void {
    const { player, buffer } = this;
    if (Date.now() - this.arrived > SILENT_FOR) return this.fail("no sound and picture come");
    if (!player || !buffer) return;
    const ranges = this.ranges();
    const move = this.edge.move(player.currentTime, ranges);
    if (move.seek !== null) player.currentTime = move.seek;
    if (player.playbackRate !== move.rate) player.playbackRate = move.rate;
    const old = toRemove(player.currentTime, ranges);
    if (old && !buffer.updating) buffer.remove(old.start, old.end);
  }

  private makeRoom(): void {
    const place = this.player?.currentTime ?? 0;
    if (this.buffer && !this.buffer.updating && place > 1) this.buffer.remove(0, place - 1);
  }

  private ranges(): Range[] {
    const buffered = this.source?.readyState === "open" ? this.buffer?.buffered : undefined;
    if (!buffered) return [];
    return Array.from({ length: buffered.length }, (_, i) => ({
      start: buffered.start(i),
      end: buffered.end(i),
    }));
  }

  private fail(why: string): void {
    if (this.closed) return;
    const start = this.failStart;
    const tell = this.onbroken;
    this.failStart = this.onbroken = null;
    start?.(new Error(why));
    tell?.(why);
  }
}
