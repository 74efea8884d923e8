/**
 * What the page needs of a live session, whatever carries it (WebRTC, or WebSockets and MSE).
 * `createLiveClient` in `./client` makes one; the page knows nothing of transports.
 */
import type { ServerEvent, SessionStarted } from "../protocol";
import type { Detail } from "./details";

export type Language = "zh" | "en";
export type Microphone = SessionStarted["microphone"];
export type Emotion = Exclude<SessionStarted["emotion"], "auto">;

/** What a session is opened with; what is missing is left to the server. */
export interface Opening {
  avatar?: string;
  voice?: string;
  language?: Language | "auto";
  emotion?: Emotion | "auto";
  microphone?: Microphone;
  /** Whoever speaks was told that the sound of questions is kept. */
  may_keep_sound?: boolean;
}

/**
 * New: not opened yet. Connecting: the first connection is being made. Connected: all is well.
 * Restoring: events come and questions arrive, while sound and picture are being brought back.
 * Reconnecting: the line for events was lost and is being made again; nothing arrives, even where the
 * picture still plays. Ended: for good; `connect` opens a new session. `choosePhase` derives it.
 */
export type Phase = "new" | "connecting" | "connected" | "restoring" | "reconnecting" | "ended";

export interface Connection {
  phase: Phase;
  /** What carries sound and picture; null while nothing does. */
  transport: "webrtc" | "mse" | null;
  /** Why it failed or ended; null while all is well. */
  problem: Problem | null;
}

/**
 * `full`: no session free, try again after `retryAfter`. `token`: the server wants a token, or
 * another one. `unreachable`: no answer at all. `media`: events come, sound and picture do not.
 * `microphone_denied`, `microphone_missing`, `microphone_busy`, `microphone_insecure` (the page is
 * neither on https nor on localhost): typing goes on working. `playback`: the browser wants a tap
 * before it plays sound. `ended`: `reason` says why. `failed`: anything else, `message` says what.
 */
export interface Problem {
  code:
    | "full"
    | "token"
    | "unreachable"
    | "media"
    | "microphone_denied"
    | "microphone_missing"
    | "microphone_busy"
    | "microphone_insecure"
    | "playback"
    | "ended"
    | "failed";
  /** In the server's or the browser's words; may be empty. */
  message: string;
  /** The server's name of the error, where it was the server that refused. */
  error?: string;
  /** Seconds; of `full`. */
  retryAfter?: number;
  /** Of `ended`. */
  reason?: Extract<ServerEvent, { type: "session.ended" }>["reason"];
}

/** Rejections of a client's promises are of this class. */
export class LiveError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.message || problem.code);
    this.name = "LiveError";
    this.problem = problem;
  }
}

/** What is measured of the connection now; null where nothing is known. */
export interface Figures {
  /** Seconds there and back, of ping and pong. */
  roundTrip: number | null;
  /** Seconds that the player is behind what the server sent last. */
  buffered: number | null;
  /** Pictures shown a second. */
  fps: number | null;
  /** Pictures dropped by the player since it connected. */
  droppedFrames: number | null;
  /** Share of packets lost, 0 to 1; WebRTC only. */
  loss: number | null;
  /** Kilobits a second received. */
  bitrate: number | null;
}

/** One step of the connection check. The page has the words for each `step` and of each detail. */
export interface Check {
  step: "server" | "token" | "events" | "webrtc" | "turn" | "media" | "microphone" | "playback";
  outcome: "ok" | "failed" | "skipped";
  /** What was found, in English; may be empty. */
  detail: string;
  /** The same as codes with values, for other languages. */
  details: Detail[];
}

export interface LiveEvents {
  /** An event of the protocol, as it arrives; `at` may be ahead of `now()`. */
  event: ServerEvent;
  connection: Connection;
  /** What the microphone does now: after `setMicrophone`, or when its device vanishes. */
  microphone: Microphone;
  /** The session goes on, yet something is wrong: no microphone, playback refused. */
  problem: Problem;
  /** The typed question that the server has not begun yet; empty when there is none. */
  waiting: string;
}

export interface LiveClient {
  readonly connection: Connection;
  readonly microphone: Microphone;
  /** The server's name of the session; empty when there is none. */
  readonly session: string;
  /**
   * The typed question that the server has not begun yet; empty when there is none. It outlives a
   * session that ended by itself, so that it can be asked in the next one.
   */
  readonly waiting: string;

  /** Listen; returns what ends it. */
  on<K extends keyof LiveEvents>(kind: K, listener: (value: LiveEvents[K]) => void): () => void;

  /** Play sound and picture in this element; may be called before `connect`, and again. */
  attach(player: HTMLVideoElement): void;

  /**
   * Open a session and connect. Called in a user's gesture, so that sound may play.
   * Rejects with LiveError. After `ended` it may be called again, for a new session.
   */
  connect(opening?: Opening): Promise<void>;

  /** End the session and free everything, the microphone too. Never rejects. */
  leave(): Promise<void>;

  /** Play again after the problem `playback`; called in a user's gesture. */
  resume(): Promise<void>;

  /** Ask; what is asked while the line is away waits, and goes out when it is back. */
  ask(text: string): void;
  /** Stop what is said; a question that waits is taken back. */
  interrupt(): void;

  /** Clear the history, here and there; what is being said stops, and a question that waits is taken back. */
  forget(): void;

  /** Hold and release the push-to-talk button; asks for the microphone when it is first pressed. */
  talk(pressed: boolean): Promise<void>;

  /** Rejects with LiveError `microphone_…`; the mode is then as it was. */
  setMicrophone(mode: Microphone): Promise<void>;

  change(what: { avatar?: string; voice?: string; language?: Language | "auto"; emotion?: Emotion | "auto" }): void;
  feedback(turn: number, rating: "up" | "down", comment?: string): void;

  /** Seconds on the stream clock that the player is playing right now; 0 before the first frame. */
  now(): number;

  /** How loud the microphone is right now, 0 to 1; 0 when it is off. */
  level(): number;

  figures(): Promise<Figures>;

  /** Try each step of a connection, without a session; calls back as each one is known. */
  check(report: (check: Check) => void): Promise<Check[]>;
}
