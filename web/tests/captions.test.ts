import { describe, expect, it } from "vitest";
import { timeWords } from "../dev/scenes";
import type { SentenceStarted, SpeechMarks, TimedText } from "../src/protocol";
import { Captions, cutSentence } from "../src/talk/captions";

const sentence = (at: number, index: number, text: string, turn = 1): SentenceStarted => ({
  v: 1, seq: 0, at, turn, type: "sentence.started", index, text, language: "zh", emotion: "neutral", intensity: 0.5,
});
const marks = (index: number, words: TimedText[], turn = 1): SpeechMarks => ({
  v: 1, seq: 0, at: 0, turn, type: "speech.marks", index, words, visemes: [],
});
const said = (captions: Captions, now: number): string | undefined => {
  const caption = captions.at(now);
  return caption?.pieces[caption.current]?.word;
};

describe("cutting a sentence at its words", () => {
  it.each([
    ["请带好身份证，到一楼取号。", "zh"],
    ["Please bring it, and take a number.", "en"],
    ["请打 12345 热线，或上 www.gov.cn 查询！", "zh"],
  ] as const)("joins to the sentence again: %s", (text, language) => {
    const pieces = cutSentence(text, timeWords(text, 0, language));
    expect(pieces.map(({ word, tail }) => word + tail).join("")).toBe(text);
    expect(pieces.length).toBeGreaterThan(4);
    expect(pieces.every(({ start }) => start !== null)).toBe(true);
  });

  it("keeps punctuation with the word before it", () => {
    const pieces = cutSentence("好，走。", [
      { text: "好", start: 0, end: 0.2 },
      { text: "走", start: 0.5, end: 0.7 },
    ]);
    expect(pieces).toEqual([
      { word: "好", tail: "，", start: 0 },
      { word: "走", tail: "。", start: 0.5 },
    ]);
  });

  it("finds the second of two equal words", () => {
    const pieces = cutSentence("one and one", [
      { text: "one", start: 0, end: 0.1 },
      { text: "one", start: 1, end: 1.1 },
    ]);
    expect(pieces.map(({ word, start }) => [word, start])).toEqual([["one", 0], ["one", 1]]);
    expect(pieces[0]?.tail).toBe(" and ");
  });

  it("leaves out words that are not in the sentence, and goes on", () => {
    const pieces = cutSentence("It costs 5 yuan.", [
      { text: "It", start: 0, end: 0.1 },
      { text: "five", start: 0.3, end: 0.5 },
      { text: "yuan", start: 0.6, end: 0.9 },
    ]);
    expect(pieces.map(({ word, tail }) => word + tail).join("")).toBe("It costs 5 yuan.");
    expect(pieces.at(-1)).toEqual({ word: "yuan", tail: ".", start: 0.6 });
  });

  it("leaves what has no words yet as one piece without a time", () => {
    const pieces = cutSentence("一二三四", [{ text: "一二", start: 0, end: 0.4 }]);
    expect(pieces).toEqual([
      { word: "一二", tail: "", start: 0 },
      { word: "三四", tail: "", start: null },
    ]);
    expect(cutSentence("全文", [])).toEqual([{ word: "全文", tail: "", start: null }]);
  });
});

describe("captions by the stream clock", () => {
  it("shows nothing before the first sentence, and then the one that is being said", () => {
    const captions = new Captions();
    captions.add(sentence(10, 0, "第一句。"));
    captions.add(sentence(12, 1, "第二句。"));
    expect(captions.at(9.99)).toBeNull();
    expect(captions.at(10)?.text).toBe("第一句。");
    expect(captions.at(11.99)?.text).toBe("第一句。");
    expect(captions.at(12)?.text).toBe("第二句。");
  });

  it("marks the word from its start to the next one's", () => {
    const captions = new Captions();
    captions.add(sentence(10, 0, "请带好证件"));
    captions.add(marks(0, [
      { text: "请", start: 10.1, end: 10.3 },
      { text: "带好", start: 10.4, end: 10.8 },
    ]));
    captions.add(marks(0, [{ text: "证件", start: 10.9, end: 11.4 }]));
    expect(captions.at(10.05)?.current).toBe(-1);
    expect(said(captions, 10.1)).toBe("请");
    expect(said(captions, 10.39)).toBe("请");
    expect(said(captions, 10.4)).toBe("带好");
    expect(said(captions, 60)).toBe("证件");
  });

  it("keeps turns apart and forgets when it is cleared", () => {
    const captions = new Captions();
    captions.add(sentence(1, 0, "旧", 1));
    captions.add(sentence(2, 0, "新", 2));
    captions.add(marks(0, [{ text: "新", start: 2.1, end: 2.3 }], 2));
    expect(captions.at(1.5)?.current).toBe(-1);
    expect(captions.at(2.2)).toMatchObject({ turn: 2, text: "新", current: 0 });
    captions.clear();
    expect(captions.at(3)).toBeNull();
  });

  it("takes a sentence once, however often it is told", () => {
    const captions = new Captions();
    captions.add(sentence(1, 0, "好"));
    captions.add(marks(0, [{ text: "好", start: 1, end: 1.2 }]));
    captions.add(sentence(1, 0, "好"));
    expect(captions.at(1.1)?.current).toBe(0);
  });
});
