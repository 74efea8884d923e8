// Made by `npm run types` from docs/live/protocol.schema.json: change that, not this.

/**
 * Events and commands of a live session, version 1.
 */
export type LiveProtocol = ServerEvent | Command;
export type ServerEvent =
  | SessionStarted
  | SessionState
  | SessionChanged
  | SessionEnded
  | HistoryCleared
  | TurnStarted
  | TranscriptPartial
  | TranscriptFinal
  | AnswerText
  | AnswerSources
  | SentenceStarted
  | SpeechMarks
  | TurnEnded
  | LatencyMark
  | Failure
  | Pong;
export type Command =
  | Ask
  | Say
  | Greet
  | Interrupt
  | Talk
  | SetMicrophone
  | Change
  | Playback
  | Ping
  | Forget
  | Feedback
  | Leave;

/**
 * First event on every connection; after a reconnection it comes again.
 */
export interface SessionStarted {
  v: 1;
  /**
   * Rises by one with each event of a session; a gap is a loss.
   */
  seq: number;
  /**
   * Seconds on the stream clock.
   */
  at: number;
  /**
   * Turn that it belongs to; 0 for none.
   */
  turn: number;
  type: "session.started";
  session: string;
  avatar: string;
  voices: {
    [k: string]: string;
  };
  language: ("zh" | "en") | "auto";
  emotion:
    | ("angry" | "contempt" | "disgusted" | "fear" | "happy" | "neutral" | "sad" | "surprised")
    | "auto";
  microphone: "off" | "push" | "open";
  state: "idle" | "listening" | "thinking" | "speaking";
  width: number;
  height: number;
  fps: number;
  sample_rate: number;
  /**
   * Seconds without a word after which the session ends.
   */
  idle_limit: number;
  /**
   * Who answers; null where nobody is named.
   */
  persona: Persona | null;
}
/**
 * Who answers, where the server was given a persona.
 */
export interface Persona {
  /**
   * What people call it, in each language.
   */
  name: {
    [k: string]: string;
  };
  /**
   * What it says after `greet`; may lack a language.
   */
  greeting: {
    [k: string]: string;
  };
}
/**
 * What the face is doing; sent when it changes.
 */
export interface SessionState {
  v: 1;
  /**
   * Rises by one with each event of a session; a gap is a loss.
   */
  seq: number;
  /**
   * Seconds on the stream clock.
   */
  at: number;
  /**
   * Turn that it belongs to; 0 for none.
   */
  turn: number;
  type: "session.state";
  state: "idle" | "listening" | "thinking" | "speaking";
}
/**
 * Avatar, voice, language, emotion or microphone are set otherwise now.
 */
export interface SessionChanged {
  v: 1;
  /**
   * Rises by one with each event of a session; a gap is a loss.
   */
  seq: number;
  /**
   * Seconds on the stream clock.
   */
  at: number;
  /**
   * Turn that it belongs to; 0 for none.
   */
  turn: number;
  type: "session.changed";
  avatar: string;
  voices: {
    [k: string]: string;
  };
  language: ("zh" | "en") | "auto";
  emotion:
    | ("angry" | "contempt" | "disgusted" | "fear" | "happy" | "neutral" | "sad" | "surprised")
    | "auto";
  microphone: "off" | "push" | "open";
  width: number;
  height: number;
}
/**
 * Last event of a session.
 */
export interface SessionEnded {
  v: 1;
  /**
   * Rises by one with each event of a session; a gap is a loss.
   */
  seq: number;
  /**
   * Seconds on the stream clock.
   */
  at: number;
  /**
   * Turn that it belongs to; 0 for none.
   */
  turn: number;
  type: "session.ended";
  reason: "left" | "idle" | "limit" | "vanished" | "closed" | "failed";
  message: string;
}
/**
 * What was said before this is forgotten; a page shows it no longer.
 */
export interface HistoryCleared {
  v: 1;
  /**
   * Rises by one with each event of a session; a gap is a loss.
   */
  seq: number;
  /**
   * Seconds on the stream clock.
   */
  at: number;
  /**
   * Turn that it belongs to; 0 for none.
   */
  turn: number;
  type: "history.cleared";
}
/**
 * A question was accepted, or something is said without one.
 */
export interface TurnStarted {
  v: 1;
  /**
   * Rises by one with each event of a session; a gap is a loss.
   */
  seq: number;
  /**
   * Seconds on the stream clock.
   */
  at: number;
  /**
   * Turn that it belongs to; 0 for none.
   */
  turn: number;
  type: "turn.started";
  /**
   * Question typed or spoken; text spoken as it is; the persona's greeting.
   */
  kind: "text" | "audio" | "script" | "greeting";
  /**
   * The question, when it was typed.
   */
  text: string;
}
/**
 * What was understood so far; each replaces the one before. ``turn`` is 0: none was begun yet.
 */
export interface TranscriptPartial {
  v: 1;
  /**
   * Rises by one with each event of a session; a gap is a loss.
   */
  seq: number;
  /**
   * Seconds on the stream clock.
   */
  at: number;
  /**
   * Turn that it belongs to; 0 for none.
   */
  turn: number;
  type: "transcript.partial";
  text: string;
  language: ("zh" | "en") | null;
}
/**
 * What was understood.
 */
export interface TranscriptFinal {
  v: 1;
  /**
   * Rises by one with each event of a session; a gap is a loss.
   */
  seq: number;
  /**
   * Seconds on the stream clock.
   */
  at: number;
  /**
   * Turn that it belongs to; 0 for none.
   */
  turn: number;
  type: "transcript.final";
  text: string;
  language: ("zh" | "en") | null;
}
/**
 * A piece of the answer as it is written, ahead of the voice; pieces joined are the answer.
 */
export interface AnswerText {
  v: 1;
  /**
   * Rises by one with each event of a session; a gap is a loss.
   */
  seq: number;
  /**
   * Seconds on the stream clock.
   */
  at: number;
  /**
   * Turn that it belongs to; 0 for none.
   */
  turn: number;
  type: "answer.text";
  text: string;
}
/**
 * Where the answer comes from and how sure the responder is.
 */
export interface AnswerSources {
  v: 1;
  /**
   * Rises by one with each event of a session; a gap is a loss.
   */
  seq: number;
  /**
   * Seconds on the stream clock.
   */
  at: number;
  /**
   * Turn that it belongs to; 0 for none.
   */
  turn: number;
  type: "answer.sources";
  outcome: "answer" | "choice" | "hint" | "refusal";
  confidence: number;
  sources: Source[];
  /**
   * Questions that may be meant, best first.
   */
  candidates: string[];
}
/**
 * Where an answer comes from.
 */
export interface Source {
  title: string;
  url: string;
  /**
   * The stored question that was matched.
   */
  question: string;
  /**
   * What belongs to the answer besides its text.
   */
  attachments: Attachment[];
}
/**
 * What is shown beside an answer and not spoken.
 */
export interface Attachment {
  kind: "link" | "phone" | "office";
  /**
   * A web address, a telephone number, or where a place is.
   */
  value: string;
  /**
   * What it is; empty where the value says it.
   */
  label: string;
}
/**
 * The voice begins a sentence at ``at``.
 */
export interface SentenceStarted {
  v: 1;
  /**
   * Rises by one with each event of a session; a gap is a loss.
   */
  seq: number;
  /**
   * Seconds on the stream clock.
   */
  at: number;
  /**
   * Turn that it belongs to; 0 for none.
   */
  turn: number;
  type: "sentence.started";
  index: number;
  text: string;
  language: "zh" | "en";
  emotion: "angry" | "contempt" | "disgusted" | "fear" | "happy" | "neutral" | "sad" | "surprised";
  intensity: number;
}
/**
 * Words and visemes that begin within the next stretch of sound; ``index`` is the sentence's.
 *
 * Words are as written in the sentence, in order. Visemes are named after the 15 of the
 * Oculus/ARKit habit: sil PP FF TH DD kk CH SS nn RR aa E I O U.
 */
export interface SpeechMarks {
  v: 1;
  /**
   * Rises by one with each event of a session; a gap is a loss.
   */
  seq: number;
  /**
   * Seconds on the stream clock.
   */
  at: number;
  /**
   * Turn that it belongs to; 0 for none.
   */
  turn: number;
  type: "speech.marks";
  index: number;
  words: TimedText[];
  visemes: TimedText[];
}
/**
 * A word or viseme and when it is said.
 */
export interface TimedText {
  text: string;
  start: number;
  end: number;
}
/**
 * The answer was said to its end, was interrupted, or failed.
 */
export interface TurnEnded {
  v: 1;
  /**
   * Rises by one with each event of a session; a gap is a loss.
   */
  seq: number;
  /**
   * Seconds on the stream clock.
   */
  at: number;
  /**
   * Turn that it belongs to; 0 for none.
   */
  turn: number;
  type: "turn.ended";
  reason: "complete" | "interrupted" | "failed";
  /**
   * What of the answer reached the listener.
   */
  heard: string;
}
/**
 * How long something took, for this turn.
 *
 * ``first_sound`` and ``first_picture`` count from the end of the user's speech, or from the typed
 * question; ``silence`` from an interruption to the last sound sent; ``recognizer``, ``responder``,
 * ``synthesizer`` and ``animator`` from the turn's start to the stage's first result.
 */
export interface LatencyMark {
  v: 1;
  /**
   * Rises by one with each event of a session; a gap is a loss.
   */
  seq: number;
  /**
   * Seconds on the stream clock.
   */
  at: number;
  /**
   * Turn that it belongs to; 0 for none.
   */
  turn: number;
  type: "latency";
  mark:
    | "first_sound"
    | "first_picture"
    | "silence"
    | "recognizer"
    | "responder"
    | "synthesizer"
    | "animator";
  seconds: number;
}
/**
 * Something went wrong; the session goes on unless ``session.ended`` follows.
 */
export interface Failure {
  v: 1;
  /**
   * Rises by one with each event of a session; a gap is a loss.
   */
  seq: number;
  /**
   * Seconds on the stream clock.
   */
  at: number;
  /**
   * Turn that it belongs to; 0 for none.
   */
  turn: number;
  type: "error";
  /**
   * Name of the error in the server's tree, such as TextUnusable.
   */
  code: string;
  /**
   * What was found and what to do.
   */
  message: string;
  retryable: boolean;
}
/**
 * Answers a ``ping``.
 */
export interface Pong {
  v: 1;
  /**
   * Rises by one with each event of a session; a gap is a loss.
   */
  seq: number;
  /**
   * Seconds on the stream clock.
   */
  at: number;
  /**
   * Turn that it belongs to; 0 for none.
   */
  turn: number;
  type: "pong";
  /**
   * What the ping carried.
   */
  sent: number;
}
/**
 * Ask a typed question; what is being said is broken off.
 */
export interface Ask {
  type: "ask";
  text: string;
}
/**
 * Let the face say a text as it is.
 */
export interface Say {
  type: "say";
  text: string;
}
/**
 * Somebody is there and can hear: the persona may greet.
 *
 * It does so once in a session, in the session's language, and not where something was asked before
 * or no persona is set.
 */
export interface Greet {
  type: "greet";
}
/**
 * Stop: silence at once.
 */
export interface Interrupt {
  type: "interrupt";
}
/**
 * Press or release the push-to-talk button.
 */
export interface Talk {
  type: "talk";
  pressed: boolean;
}
/**
 * Choose how the microphone is used.
 */
export interface SetMicrophone {
  type: "microphone";
  mode: "off" | "push" | "open";
}
/**
 * Set what is given, leave the rest.
 */
export interface Change {
  type: "change";
  avatar?: string | null;
  /**
   * For the languages that it speaks; empty: the avatar's own.
   */
  voice?: string | null;
  language?: ("zh" | "en") | "auto" | null;
  emotion?:
    | ("angry" | "contempt" | "disgusted" | "fear" | "happy" | "neutral" | "sad" | "surprised")
    | "auto"
    | null;
}
/**
 * How far the page's player got: the dialogue keeps only what was heard.
 *
 * Sent about once a second while something is said, and at once after an interruption.
 */
export interface Playback {
  type: "playback";
  /**
   * Seconds on the stream clock that were played.
   */
  at: number;
}
/**
 * Ask for a ``pong``.
 */
export interface Ping {
  type: "ping";
  sent: number;
}
/**
 * Clear the history: what was said so far means nothing to later answers, nor does its mood.
 *
 * What is being said is broken off. Records that the operator keeps are not touched.
 */
export interface Forget {
  type: "forget";
}
/**
 * What the user thinks of an answer.
 */
export interface Feedback {
  type: "feedback";
  turn: number;
  rating: "up" | "down";
  comment?: string;
}
/**
 * End the session now.
 */
export interface Leave {
  type: "leave";
}

/** Codes of error events and HTTP errors. Others may come within a version. */
export type ErrorCode =
  | "AssetError"
  | "AudioSilent"
  | "AudioTooLong"
  | "AudioTooShort"
  | "BodyTooLarge"
  | "Busy"
  | "Cancelled"
  | "ChecksumMismatch"
  | "ConfigError"
  | "Conflict"
  | "Error"
  | "EventUnusable"
  | "FaceUnusable"
  | "FileUnreadable"
  | "Gone"
  | "InputError"
  | "LanguageUnsupported"
  | "LicenceNotAccepted"
  | "MethodNotAllowed"
  | "MissingExtra"
  | "MissingWeights"
  | "NoAudioStream"
  | "NoFaceFound"
  | "NoVideoStream"
  | "NotFound"
  | "OfferUnusable"
  | "OutputUnwritable"
  | "PictureUnusable"
  | "PreconditionFailed"
  | "QueueFull"
  | "Refused"
  | "RequestError"
  | "RequestInvalid"
  | "SessionsFull"
  | "SeveralFacesFound"
  | "StageError"
  | "StoreUnavailable"
  | "TextUnusable"
  | "TokenNeeded"
  | "TooManyAttempts"
  | "Unexpected"
  | "UnknownAsset"
  | "UnknownAvatar"
  | "UnknownBase"
  | "UnknownEntry"
  | "UnknownStage"
  | "UnknownVoice"
  | "UnsupportedMedia"
  | "VersionConflict";
