import { describe, expect, it } from "vitest";
import type { ServerEvent } from "../src/protocol";
import { type Turn, follow, join } from "../src/talk/dialogue";

let seq = 0;
const send = (turns: Turn[], event: object): void =>
  follow(turns, { v: 1, seq: ++seq, at: 0, turn: 1, ...event } as ServerEvent);
const sentence = (index: number, text: string) => ({
  type: "sentence.started", index, text, language: "zh", emotion: "neutral", intensity: 0.5,
});

describe("the dialogue", () => {
  it("gathers a question and what was said of its answer", () => {
    const turns: Turn[] = [];
    send(turns, { type: "turn.started", kind: "audio", text: "" });
    send(turns, { type: "transcript.final", text: "几点开门？" });
    send(turns, {
      type: "answer.sources", outcome: "answer", confidence: 0.9, candidates: [],
      sources: [{ title: "faq.csv", url: "", question: "几点开门", attachments: [] }],
    });
    send(turns, { type: "answer.text", text: "九点。不休息。" });
    expect(turns[0]?.said).toBe("");
    send(turns, sentence(0, "九点。"));
    send(turns, sentence(1, "不休息。"));
    send(turns, { type: "turn.ended", reason: "complete", heard: "九点。不休息。" });
    expect(turns).toMatchObject([
      { turn: 1, question: "几点开门？", said: "九点。不休息。", ended: "complete", outcome: "answer" },
    ]);
  });

  it("keeps only what was heard of an answer that was broken off", () => {
    const turns: Turn[] = [];
    send(turns, { type: "turn.started", kind: "text", text: "问" });
    send(turns, sentence(0, "一二三四五六。"));
    send(turns, { type: "turn.ended", reason: "interrupted", heard: "一二三" });
    expect(turns[0]).toMatchObject({ said: "一二三", ended: "interrupted" });
  });

  it("knows a greeting from an answer", () => {
    const turns: Turn[] = [];
    send(turns, { type: "turn.started", kind: "greeting", text: "" });
    send(turns, sentence(0, "您好。"));
    send(turns, { type: "turn.started", kind: "text", text: "问", turn: 2 });
    expect(turns).toMatchObject([
      { isGreeting: true, question: "", said: "您好。" },
      { isGreeting: false, question: "问" },
    ]);
  });

  it("makes no turn of what belongs to none", () => {
    const turns: Turn[] = [];
    send(turns, { type: "session.state", state: "thinking", turn: 3 });
    send(turns, { type: "transcript.partial", text: "问", turn: 0 });
    expect(turns).toEqual([]);
  });

  it("joins sentences as each language writes them", () => {
    expect(join("好。", "走吧。")).toBe("好。走吧。");
    expect(join("Yes. ", "Go on.")).toBe("Yes. Go on.");
    expect(join("", "Go.")).toBe("Go.");
    expect(join("用 Python。", "Use it.")).toBe("用 Python。Use it.");
  });
});
