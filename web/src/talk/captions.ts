import type { SentenceStarted, SpeechMarks, TimedText } from "../protocol";

/** A word with the punctuation and space that follow it. */
export interface Piece {
  word: string;
  tail: string;
  /** Seconds on the stream clock; null where the voice did not say. */
  start: number | null;
}

export interface Caption {
  turn: number;
  index: number;
  text: string;
  language: SentenceStarted["language"];
  /** Joined they are the sentence. */
  pieces: readonly Piece[];
  /** Index of the piece that is being said; -1 before the first, or where there are no times. */
  current: number;
}

interface Line {
  at: number;
  sentence: SentenceStarted;
  words: TimedText[];
  pieces: Piece[] | null;
}

/** Cut a sentence at its words, which come as written and in order; some may be missing. */
export function cutSentence(text: string, words: readonly TimedText[]): Piece[] {
  const pieces: Piece[] = [];
  const lower = text.toLowerCase();
  let end = 0;
  for (const { text: word, start } of words) {
    const found = word ? lower.indexOf(word.toLowerCase(), end) : -1;
    if (found < 0) continue;
    const last = pieces.at(-1);
    const between = text.slice(end, found);
    if (last) last.tail += between;
    else if (between) pieces.push({ word: "", tail: between, start: null });
    pieces.push({ word: text.slice(found, found + word.length), tail: "", start });
    end = found + word.length;
  }
  const rest = text.slice(end);
  const last = pieces.at(-1);
  if (!last) return [{ word: text, tail: "", start: null }];
  // Words may still come for what is left, so only its leading punctuation belongs to the last one.
  const [mark = ""] = /^[\s\p{P}]*/u.exec(rest) ?? [];
  last.tail += mark;
  if (rest.length > mark.length) pieces.push({ word: rest.slice(mark.length), tail: "", start: null });
  return pieces;
}

/** What is being said, by the stream clock. */
export class Captions {
  private lines: Line[] = [];

  add(event: SentenceStarted | SpeechMarks): void {
    if (event.type === "sentence.started") {
      if (this.find(event)) return;
      this.lines.push({ at: event.at, sentence: event, words: [], pieces: null });
      this.lines.sort((a, b) => a.at - b.at);
      return;
    }
    const line = this.find(event);
    if (!line) return;
    line.words.push(...event.words);
    line.words.sort((a, b) => a.start - b.start);
    line.pieces = null;
  }

  clear(): void {
    this.lines = [];
  }

  /** The sentence and word at a moment; null before the first sentence. */
  at(now: number): Caption | null {
    const line = this.lines.findLast(({ at }) => at <= now);
    if (!line) return null;
    const { sentence } = line;
    line.pieces ??= cutSentence(sentence.text, line.words);
    return {
      turn: sentence.turn,
      index: sentence.index,
      text: sentence.text,
      language: sentence.language,
      pieces: line.pieces,
      current: line.pieces.findLastIndex(({ start }) => start !== null && start <= now),
    };
  }

  private find(event: SentenceStarted | SpeechMarks): Line | undefined {
    return this.lines.find(
      ({ sentence }) => sentence.turn === event.turn && sentence.index === event.index,
    );
  }
}
