import { type Detail, sayDetail } from "../live/details";
import type { Problem } from "../live/types";
import type { Words } from "./zh";

/** What is shown of a failure. */
export interface Explained {
  title: string;
  /** What to do. */
  advice: string;
  /** The server's or the browser's own words, where there are none of ours. */
  said: string;
}

/** A failure that the server tells, by its code. */
export function explainError(words: Words, code: string, message: string): Explained {
  const known = Object.hasOwn(words.errors, code) ? words.errors[code as keyof Words["errors"]] : null;
  if (known) return { ...known, said: "" };
  return { ...words.problems.failed, said: message };
}

/** A problem of the connection. Only `failed` says too little by itself. */
export function explainProblem(words: Words, problem: Problem): Explained {
  const { code, error = "", reason, message } = problem;
  if (code === "failed") return explainError(words, error, message);
  const known = words.problems[code];
  if (code !== "ended" || !reason) return { ...known, said: "" };
  // The reasons of a later server are told in its own words.
  if (Object.hasOwn(words.ended, reason)) return { title: known.title, advice: words.ended[reason], said: "" };
  return { ...known, said: message };
}

/** What the connection check found; what the server refused is told by its code. */
export function explainDetail(words: Words, detail: Detail): string {
  const code = String(detail.values.error);
  if (detail.code === "server_said" && Object.hasOwn(words.errors, code))
    return words.errors[code as keyof Words["errors"]].title;
  return sayDetail(detail, words.check.details);
}
