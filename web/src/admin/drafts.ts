import type { Pair, PairDraft } from "./types";

/** A pair that nothing is written of yet. */
export const emptyDraft = (question = "", aliases: string[] = []): PairDraft => ({
  question,
  answer: "",
  topic: "",
  aliases,
  source: "",
  sample: false,
  emotion: "neutral",
  intensity: 0.3,
  valid_from: null,
  valid_to: null,
  attachments: [],
});

/** What of a stored pair can be written anew: all but where it stands. */
export function draftOf(pair: Pair): PairDraft {
  const { id: _id, base: _base, language: _language, ...draft } = pair;
  return { ...draft, answer: draft.answer || null };
}

/** As the server takes it: no empty lines, no attachment without a value, days or nothing. */
export function tidyDraft(draft: PairDraft): PairDraft {
  return {
    ...draft,
    aliases: draft.aliases.map((one) => one.trim()).filter(Boolean),
    valid_from: draft.valid_from || null,
    valid_to: draft.valid_to || null,
    attachments: draft.attachments.filter((one) => one.value.trim()),
  };
}
