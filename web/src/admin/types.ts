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

/** A question-answer base as its operator keeps it. */
export interface KeptBase {
  name: string;
  title: string;
  languages: string[];
  pairs: number;
  gaps: number;
  documents: number;
  /** Null for a shipped sample that is in no store. */
  version: number | null;
  changed: string | null;
  answering: boolean;
}

export interface Keeping {
  where: string;
  /** False while the shipped samples are answered from. */
  stored: boolean;
  /** Why nothing can be changed; empty if it can. */
  problem: string;
  bases: KeptBase[];
  /** Bytes of a file of pairs, and of a document, that is imported. */
  largest_table: number;
  largest_document: number;
}

export const ATTACHMENT_KINDS = ["link", "phone", "office"] as const;

export interface Attachment {
  kind: (typeof ATTACHMENT_KINDS)[number];
  value: string;
  label: string;
}

/** What is written of a pair. */
export interface PairDraft {
  question: string;
  /** Null for a question that is known to have none. */
  answer: string | null;
  topic: string;
  aliases: string[];
  source: string;
  sample: boolean;
  emotion: string;
  intensity: number;
  valid_from: string | null;
  valid_to: string | null;
  attachments: Attachment[];
}

export interface Pair extends PairDraft {
  id: string;
  base: string;
  language: string;
  /** Empty for a question that is known to have none. */
  answer: string;
}

export interface KeptPairs {
  version: number | null;
  total: number;
  topics: string[];
  pairs: Pair[];
}

export interface PairWritten {
  base: string;
  version: number;
  changed: boolean;
  copied_samples: boolean;
  pair: Pair;
  /** Answers come from it already. */
  searched: boolean;
}

export interface GapAnswered extends PairWritten {
  marked: boolean;
  problem: string;
}

export interface Version {
  number: number;
  when: string;
  author: string;
  note: string;
  added: number;
  changed: number;
  removed: number;
  undoes: number | null;
}
