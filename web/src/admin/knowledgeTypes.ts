/** What the routes of the knowledge bases answer, besides bases and pairs; OpenAPI says more of each field. */
import type { Pair } from "./types";

export const IMPORT_STATES = ["waiting", "reading", "ready", "writing", "done", "failed", "cancelled"] as const;

export interface ImportReport {
  base: string;
  dry_run: boolean;
  kind: "pairs" | "document";
  /** Of the base now; null for a sample that is in no store. */
  version: number | null;
  new_base: boolean;
  copied_samples: boolean;
  encoding: string;
  title: string;
  language: string | null;
  /** Pairs or passages that the file gave. */
  read: number;
  added: number;
  changed: number;
  unchanged: number;
  removed: number;
  errors: number;
  /** The first 200, errors first. */
  problems: { place: string; what: string; kind: "error" | "note" }[];
  duplicate_rows: number;
  duplicates: { place: string; first: string; question: string }[];
}

/** A file on its way into a base. */
export interface ImportView {
  id: string;
  base: string;
  file: string;
  options: { replace: boolean };
  state: (typeof IMPORT_STATES)[number];
  done: number;
  /** 0 where it is not known. */
  total: number;
  report: ImportReport | null;
  problem: { code: string; message: string } | null;
  /** Answers come from it already. */
  searched: boolean;
}

export interface KeptDocument {
  id: string;
  title: string;
  language: string;
  kind: string;
  source: string;
  passages: number;
  changed: string;
}

export interface DocumentList {
  version: number | null;
  total: number;
  documents: KeptDocument[];
}

export interface PassageList {
  total: number;
  passages: { number: number; text: string; place: string; heading: string }[];
}

export interface KeptSynonyms {
  version: number | null;
  groups: string[][];
}

export interface Trial {
  question: string;
  language: string;
  outcome: "answer" | "ask" | "refusal";
  /** Null where a language model would write it. */
  said: string | null;
  confidence: number;
  threshold: number | null;
  hint: number | null;
  pairs: { confidence: number; score: number; pair: Pair }[];
  passages: { score: number; text: string; source: string; place: string }[];
  /** False where a change is known that is not searched yet. */
  settled: boolean;
  /** Whether a language model may answer from the passages. */
  writes: boolean;
}

export interface DeletedBase {
  base: string;
  pairs: number;
  documents: number;
  copied_samples: boolean;
  answers_from_samples: boolean;
}
