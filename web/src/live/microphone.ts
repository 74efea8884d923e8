import workletUrl from "./capture.worklet.ts?worker&url";
import { describeMicrophone } from "./problems";
import { LiveError } from "./types";

/** Hz of what is sent over a WebSocket. */
export const CAPTURE_RATE = 16_000;

export interface PcmCapture {
  close(): void;
}

/** The device: opened when it is first wanted, and only then is anybody asked for permission. */
export class Microphone {
  private stream: MediaStream | null = null;
  private context: AudioContext | null = null;
  private analyser: AnalyserNode | null = null;
  private readonly samples = new Float32Array(512);
  private opening: Promise<MediaStream> | null = null;

  /** @param onlost the device vanished, or the permission was taken back */
  constructor(private readonly onlost: () => void) {}

  /** Whether the device is open now. */
  get isOpen(): boolean {
    return this.stream !== null;
  }

  /** Give the device's sound. Rejects with LiveError `microphone_…`. */
  async open(): Promise<MediaStream> {
    if (this.stream) return this.stream;
    this.opening ??= this.ask().finally(() => (this.opening = null));
    return this.opening;
  }

  /** Let sound through, or silence; the device stays open. */
  let(through: boolean): void {
    for (const track of this.stream?.getAudioTracks() ?? []) track.enabled = through;
  }

  /** How loud it is now, 0 to 1. */
  level(): number {
    if (!this.analyser || !this.stream?.getAudioTracks()[0]?.enabled) return 0;
    this.analyser.getFloatTimeDomainData(this.samples);
    let power = 0;
    for (const x of this.samples) power += x * x;
    const decibels = 10 * Math.log10(power / this.samples.length + 1e-9);
    return Math.min(1, Math.max(0, (decibels + 60) / 50));
  }

  /** Hand its sound over as PCM16 at CAPTURE_RATE. */
  async capture(stream: MediaStream, send: (pcm: ArrayBuffer) => void): Promise<PcmCapture> {
    const context = this.useContext();
    // Its address begins at the root of the server, which need not be the page's.
    const address = new URL(workletUrl, import.meta.url);
    await context.audioWorklet.addModule(address.href);
    const source = context.createMediaStreamSource(stream);
    const node = new AudioWorkletNode(context, "visavis-capture", { numberOfOutputs: 0 });
    node.port.onmessage = (message: MessageEvent) => send(message.data as ArrayBuffer);
    source.connect(node);
    return {
      close: () => {
        node.port.onmessage = null;
        source.disconnect();
        node.disconnect();
      },
    };
  }

  close(): void {
    for (const track of this.stream?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
    this.stream = null;
    this.analyser = null;
    void this.context?.close();
    this.context = null;
  }

  private async ask(): Promise<MediaStream> {
    const secure = globalThis.isSecureContext;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: {
          echoCancellation: true,
          noiseSuppression: true,
          autoGainControl: true,
          channelCount: 1,
        },
      });
      this.stream = stream;
      for (const track of stream.getAudioTracks())
        track.onended = () => {
          this.close();
          this.onlost();
        };
      this.measure(stream);
      return stream;
    } catch (error) {
      throw new LiveError(describeMicrophone(error, secure));
    }
  }

  private measure(stream: MediaStream): void {
    const context = this.useContext();
    this.analyser = context.createAnalyser();
    this.analyser.fftSize = this.samples.length;
    context.createMediaStreamSource(stream).connect(this.analyser);
  }

  private useContext(): AudioContext {
    this.context ??= new AudioContext();
    void this.context.resume();
    return this.context;
  }
}
