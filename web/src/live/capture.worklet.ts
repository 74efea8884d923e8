// Runs in an AudioWorkletGlobalScope, which TypeScript's DOM library does not describe.
import { Downsampler } from "./pcm";

declare const sampleRate: number;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: unknown): void;

/** Samples of one message: 20 ms at 16 kHz. */
const PIECE = 320;

class Capture extends AudioWorkletProcessor {
  private readonly down = new Downsampler(sampleRate, 16_000);
  private piece = new Int16Array(PIECE);
  private filled = 0;

  process(inputs: Float32Array[][]): boolean {
    const channel = inputs[0]?.[0];
    if (!channel) return true;
    for (const sample of this.down.feed(channel)) {
      this.piece[this.filled++] = sample;
      if (this.filled < PIECE) continue;
      this.port.postMessage(this.piece.buffer, [this.piece.buffer]);
      this.piece = new Int16Array(PIECE);
      this.filled = 0;
    }
    return true;
  }
}

registerProcessor("visavis-capture", Capture);
