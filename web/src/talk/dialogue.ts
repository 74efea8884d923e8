import type { AnswerSources, ServerEvent, Source, TurnEnded } from "../protocol";

/** A question and its answer, or a greeting, which answers none. */
export interface Turn {
  turn: number;
  isGreeting: boolean;
  question: string;
  /** What was said of the answer so far. */
  said: string;
  outcome: AnswerSources["outcome"] | null;
  sources: Source[];
  candidates: string[];
  ended: TurnEnded["reason"] | null;
  rating: "up" | "down" | null;
}

/** Bring the dialogue up to date with an event. Events come in the order in which they are shown. */
export function follow(turns: Turn[], event: ServerEvent): void {
  if (!event.turn) return;
  let turn = turns.find((one) => one.turn === event.turn);
  if (!turn) {
    if (event.type !== "turn.started" && event.type !== "transcript.final") return;
    turns.push({
      turn: event.turn,
      isGreeting: event.type === "turn.started" && event.kind === "greeting",
      question: "",
      said: "",
      outcome: null,
      sources: [],
      candidates: [],
      ended: null,
      rating: null,
    });
    turns.sort((a, b) => a.turn - b.turn);
    turn = turns.find((one) => one.turn === event.turn) as Turn;
  }
  switch (event.type) {
    case "turn.started":
    case "transcript.final":
      if (event.text) turn.question = event.text;
      break;
    case "answer.sources":
      turn.outcome = event.outcome;
      turn.sources = event.sources;
      turn.candidates = event.candidates;
      break;
    case "sentence.started":
      turn.said = join(turn.said, event.text);
      break;
    case "turn.ended":
      turn.ended = event.reason;
      if (event.reason !== "complete") turn.said = event.heard;
      break;
  }
}

/** Sentences stand apart by a space, except where either side is Chinese. */
export function join(before: string, after: string): string {
  const [left, right] = [before.trimEnd(), after.trim()];
  if (!left || !right) return left + right;
  const wide = /[\u3000-\u9fff\uff00-\uffef]/;
  return wide.test(left.slice(-1)) || wide.test(right[0] ?? "") ? left + right : `${left} ${right}`;
}
