import { describe, expect, it } from "vitest";
import type { ServerEvent } from "../src/protocol";
import { Pacing } from "../src/talk/pacing";

const base = { v: 1, seq: 0, turn: 1 } as const;
const state = (at: number, state: "idle" | "listening" | "thinking" | "speaking"): ServerEvent => ({
  ...base, at, type: "session.state", state,
});
const sentence = (at: number, index = 0): ServerEvent => ({
  ...base, at, type: "sentence.started", index, text: "好。", language: "zh", emotion: "neutral", intensity: 0.5,
});
const ended = (at: number, reason: "complete" | "interrupted"): ServerEvent => ({
  ...base, at, type: "turn.ended", reason, heard: "",
});

function make() {
  const clock = { stream: 0, wall: 0 };
  return { clock, pacing: new Pacing(() => clock.stream, () => clock.wall) };
}

describe("pacing", () => {
  it("holds what is said until the player gets there, in order", () => {
    const { clock, pacing } = make();
    const events = [state(1, "speaking"), sentence(1), sentence(3, 1), ended(5, "complete"), state(5, "idle")];
    for (const event of events) expect(pacing.take(event)).toEqual([]);
    clock.stream = 1;
    expect(pacing.due()).toEqual(events.slice(0, 2));
    clock.stream = 4.99;
    expect(pacing.due()).toEqual(events.slice(2, 3));
    clock.stream = 5;
    expect(pacing.due()).toEqual(events.slice(3));
    expect(pacing.isEmpty).toBe(true);
  });

  it("drops what was held back when the history is cleared", () => {
    const { pacing } = make();
    const cleared: ServerEvent = { ...base, turn: 0, at: 2, type: "history.cleared" };
    expect(pacing.take(sentence(9))).toEqual([]);
    expect(pacing.take(cleared)).toEqual([cleared]);
    expect(pacing.isEmpty).toBe(true);
  });

  it("lets through at once what is no matter of playing", () => {
    const { pacing } = make();
    const text: ServerEvent = { ...base, at: 9, type: "answer.text", text: "好" };
    expect(pacing.take(text)).toEqual([text]);
  });

  it("drops what was still to be said when the user breaks in", () => {
    const { clock, pacing } = make();
    pacing.take(state(1, "speaking"));
    pacing.take(sentence(1));
    pacing.take(sentence(3, 1));
    clock.stream = 2;
    expect(pacing.due()).toHaveLength(2);
    const end = ended(9, "interrupted");
    expect(pacing.take(end)).toEqual([end]);
    const listening = state(9, "listening");
    expect(pacing.take(listening)).toEqual([listening]);
    clock.stream = 100;
    expect(pacing.due()).toEqual([]);
  });

  it("keeps the end of the turn before when the next question comes early", () => {
    const { pacing } = make();
    const end = ended(5, "complete");
    pacing.take(sentence(4));
    pacing.take(end);
    const thinking = state(6, "thinking");
    expect(pacing.take(thinking)).toEqual([end, thinking]);
  });

  it("does not wait for ever for a player that stands still", () => {
    const { clock, pacing } = make();
    const event = sentence(50);
    pacing.take(event);
    clock.wall = 4.9;
    expect(pacing.due()).toEqual([]);
    clock.wall = 5;
    expect(pacing.due()).toEqual([event]);
  });
});
