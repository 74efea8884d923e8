import type { ServerClock } from "./clock";
import { firstPicture, type Media } from "./media";
import type { Figures } from "./types";

const GATHER = 800;
const DISCONNECTED_FOR = 3_000;
const SILENT_FOR = 3;
const WATCH_EVERY = 1_000;
/**
 * Milliseconds for which a picture waits at least. Sound waits as long in its jitter buffer on a good
 * network, and browsers put right only what is further apart than 30 ms.
 */
const PICTURE_WAITS = 60;

export interface WebRtcOptions {
  iceServers: RTCIceServer[];
  answer: (sdp: string) => Promise<string>;
  clock: ServerClock;
}

/** Wait until the candidates are found, or for long enough. */
export async function gather(peer: RTCPeerConnection): Promise<string> {
  if (peer.iceGatheringState !== "complete") {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, GATHER);
      peer.addEventListener("icegatheringstatechange", () => {
        if (peer.iceGatheringState !== "complete") return;
        clearTimeout(timer);
        resolve();
      });
    });
  }
  return peer.localDescription?.sdp ?? "";
}

/** Sound and picture over WebRTC. */
export class WebRtcMedia implements Media {
  readonly kind = "webrtc";
  onbroken: ((why: string) => void) | null = null;

  private readonly peer: RTCPeerConnection;
  private readonly sound: RTCRtpTransceiver;
  private readonly stream = new MediaStream();
  private watch: ReturnType<typeof setInterval> | undefined;
  private grace: ReturnType<typeof setTimeout> | undefined;
  private closed = false;
  private delay = 0.1;
  private before = { delay: 0, count: 0, frames: 0, bytes: 0, time: 0, lost: 0, packets: 0 };
  private silent = 0;
  private known: Partial<Figures> = {};

  constructor(private readonly options: WebRtcOptions) {
    this.peer = new RTCPeerConnection({ iceServers: options.iceServers, bundlePolicy: "max-bundle" });
    // Room for a microphone from the start, so that one may come later without a new offer.
    this.sound = this.peer.addTransceiver("audio", { direction: "sendrecv" });
    const { receiver } = this.peer.addTransceiver("video", { direction: "recvonly" });
    receiver.jitterBufferTarget = PICTURE_WAITS;
    this.peer.addEventListener("track", (event) => this.stream.addTrack(event.track));
  }

  async start(player: HTMLVideoElement): Promise<void> {
    await this.peer.setLocalDescription();
    const sdp = await this.options.answer(await gather(this.peer));
    if (this.closed) throw new Error("closed");
    const connected = new Promise<void>((resolve, reject) => {
      this.peer.addEventListener("connectionstatechange", () => {
        const state = this.peer.connectionState;
        if (state === "connected") resolve();
        if (state === "failed" || state === "closed") reject(new Error(`WebRTC: ${state}`));
      });
    });
    await this.peer.setRemoteDescription({ type: "answer", sdp });
    this.attach(player);
    await connected;
    await firstPicture(player);
    this.peer.addEventListener("connectionstatechange", () => this.follow());
    this.watch = setInterval(() => void this.measure(), WATCH_EVERY);
    this.follow();
  }

  attach(player: HTMLVideoElement): void {
    player.removeAttribute("src");
    if (player.srcObject !== this.stream) player.srcObject = this.stream;
  }

  async setMicrophone(stream: MediaStream | null): Promise<void> {
    await this.sound.sender.replaceTrack(stream?.getAudioTracks()[0] ?? null);
  }

  now(): number | null {
    const server = this.options.clock.at(performance.now() / 1000);
    if (server === null) return null;
    const delay = Math.max(this.delay, PICTURE_WAITS / 1000);
    return Math.max(0, server - (this.options.clock.roundTrip ?? 0) / 2 - delay);
  }

  skip(): void {
    // What waits here is a jitter buffer of some tens of milliseconds; nothing can be left out.
  }

  async figures(): Promise<Partial<Figures>> {
    await this.measure();
    return { ...this.known, buffered: this.delay };
  }

  close(): void {
    this.closed = true;
    this.onbroken = null;
    clearInterval(this.watch);
    clearTimeout(this.grace);
    this.peer.close();
    for (const track of this.stream.getTracks()) track.stop();
  }

  private follow(): void {
    clearTimeout(this.grace);
    const state = this.peer.connectionState;
    if (state === "failed" || state === "closed") this.break(`WebRTC: ${state}`);
    if (state === "disconnected")
      this.grace = setTimeout(() => this.break("WebRTC: disconnected"), DISCONNECTED_FOR);
  }

  private break(why: string): void {
    const tell = this.onbroken;
    this.onbroken = null;
    if (!this.closed) tell?.(why);
  }

  /** How far playing is behind receiving, and whether pictures still come. */
  private async measure(): Promise<void> {
    const now = performance.now() / 1000;
    const { before } = this;
    const span = now - before.time;
    if (span < 0.5 || this.closed) return;
    const seen = { ...before, time: now, bytes: 0, lost: 0, packets: 0 };
    (await this.peer.getStats()).forEach((stats) => {
      if (stats.type !== "inbound-rtp") return;
      seen.bytes += stats.bytesReceived ?? 0;
      seen.lost += stats.packetsLost ?? 0;
      seen.packets += stats.packetsReceived ?? 0;
      if (stats.kind === "video") {
        seen.frames = stats.framesDecoded ?? 0;
        this.known.droppedFrames = stats.framesDropped ?? null;
      }
      if (stats.kind === "audio") {
        seen.delay = stats.jitterBufferDelay ?? 0;
        seen.count = stats.jitterBufferEmittedCount ?? 0;
      }
    });
    const emitted = seen.count - before.count;
    if (emitted > 0) this.delay = clamp((seen.delay - before.delay) / emitted, 0, 2);
    const packets = seen.packets - before.packets;
    const lost = Math.max(0, seen.lost - before.lost);
    if (before.time) {
      this.known.fps = (seen.frames - before.frames) / span;
      this.known.bitrate = ((seen.bytes - before.bytes) * 8) / span / 1000;
      this.known.loss = packets + lost > 0 ? lost / (packets + lost) : null;
      // The server sends without a pause, whatever the face does.
      this.silent = seen.bytes === before.bytes ? this.silent + span : 0;
    }
    this.before = seen;
    if (this.silent > SILENT_FOR) this.break("WebRTC: nothing comes any more");
  }
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
