/** What `/api/v1/admin/…` answers; the server's OpenAPI description says more of each field. */

export interface LiveSession {
  id: string;
  created: number;
  age: number;
  state: string;
  avatar: string;
  language: string;
  turns: number;
  connections: number;
  ticks: number;
  late: number;
  dropped: number;
}

export interface Now {
  capacity: number;
  sessions: LiveSession[];
  frames: number;
  late: number;
}

export interface Day {
  day: string;
  sessions: number;
  questions: number;
  answered: number;
  unanswered: number;
  unclear: number;
  other: number;
  up: number;
  down: number;
}

export const MARKS = [
  "first_sound",
  "first_picture",
  "silence",
  "recognizer",
  "responder",
  "synthesizer",
  "animator",
] as const;
export type Mark = (typeof MARKS)[number];

export interface Latency {
  count: number;
  p50: number;
  p95: number;
  p99: number;
  /** By tenths of a second; the last holds all above. */
  bins: number[];
}

export interface Statistics {
  days: Day[];
  outcomes: Record<string, number>;
  ended: Record<string, number>;
  kinds: Record<string, number>;
  languages: Record<string, number>;
  reasons: Record<string, number>;
  latencies: Partial<Record<Mark, Latency>>;
  frames: number;
  late: number;
  heard: number | null;
}

export type Policy = "none" | "unanswered" | "all";

export const SPEECH_STATES = ["off", "waiting", "speaking", "done", "full", "taken", "failed"] as const;

/** Answers that are spoken ahead of time. */
export interface Speech {
  state: (typeof SPEECH_STATES)[number];
  ready: number;
  /** 0 until it is known. */
  foreseen: number;
  kept: number;
  size: number;
  /** Bytes; 0 where no speech is kept. */
  limit: number;
  /** What stood in the way last; empty when nothing does. */
  problem: string;
}

export interface Overview {
  time: number;
  now: Now;
  statistics: Statistics | null;
  jobs: Record<string, number>;
  storage: {
    where: string;
    records: Policy;
    retention_days: number;
    size: number | null;
    rows: Record<string, number>;
    recorder: { waiting: number; written: number; dropped: number; trouble: string };
  };
  speech: Speech;
  problem: string;
}

export type Verdict = "open" | "done" | "dismissed";

export interface Gap {
  question: string;
  keys: string[];
  wordings: string[];
  count: number;
  first: number;
  last: number;
  nearest: string;
  confidence: number | null;
  languages: string[];
}

export interface GapList {
  verdict: Verdict;
  records: Policy;
  gaps: Gap[];
}

export interface Feedback {
  given: { session: string; turn: number; rating: "up" | "down"; time: number; comment: string };
  turn: { question: string | null; outcome: string; matched: string; source: string } | null;
}

export interface PastSession {
  id: string;
  created: number;
  ended: number | null;
  reason: string;
  avatar: string;
  language: string;
  transport: string;
  turns: number;
  frames: number;
  late: number;
}

export interface Job {
  id: string;
  kind: string;
  state: "queued" | "running" | "done" | "failed" | "cancelled";
  progress: number;
  error: string;
  created: number;
}
