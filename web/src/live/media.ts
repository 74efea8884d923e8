import type { Figures } from "./types";

/** Seconds from the start of a try to sound and picture, after which another way is taken. */
export const PATIENCE = 4;

/** Figures before anything is measured. */
export const UNKNOWN: Figures = {
  roundTrip: null,
  buffered: null,
  fps: null,
  droppedFrames: null,
  loss: null,
  bitrate: null,
};

/** One way for sound and picture to come, and for the microphone to go. */
export interface Media {
  readonly kind: "webrtc" | "mse";
  /** Play here from now on. */
  attach(player: HTMLVideoElement): void;
  /** Resolves with the first picture; rejects when this way does not work. Called once. */
  start(player: HTMLVideoElement): Promise<void>;
  /** Send this microphone, or none. */
  setMicrophone(stream: MediaStream | null): Promise<void>;
  /** Seconds on the stream clock that are playing; null when that is unknown. */
  now(): number | null;
  /** Go on with what the server sends now, leaving out what waits to be played. */
  skip(): void;
  figures(): Promise<Partial<Figures>>;
  close(): void;
  /** Called once when it breaks after it has worked. */
  onbroken: ((why: string) => void) | null;
}

/** Reject after some seconds. */
export async function within<T>(seconds: number, work: Promise<T>, why: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(why)), seconds * 1000);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves when the player shows a picture that it had not shown before. */
export function firstPicture(player: HTMLVideoElement): Promise<void> {
  return new Promise((resolve) => {
    if ("requestVideoFrameCallback" in player) player.requestVideoFrameCallback(() => resolve());
    else (player as HTMLVideoElement).addEventListener("timeupdate", () => resolve(), { once: true });
  });
}

/** Failures from which WebRTC is left alone: one to come about, or two breaks. */
export const GIVE_UP = 2;

/**
 * The ways to try, in order. WebRTC first, as it is the quicker; one that never came about would
 * not come about the next time either, while one that broke may have lost its network only.
 */
export function chooseWays(
  offered: readonly ("webrtc" | "mse")[],
  can: { webrtc: boolean; mse: boolean },
  failures: number,
): ("webrtc" | "mse")[] {
  const ways = offered.filter((way) => can[way]);
  const others = ways.filter((way) => way !== "webrtc");
  return failures >= GIVE_UP && others.length ? others : ways;
}
