import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { en } from "../src/words/en";
import { explainError, explainProblem } from "../src/words/explain";
import { zh } from "../src/words/zh";

// The server writes it; the list of codes stands nowhere else.
const schema = JSON.parse(readFileSync("../docs/live/protocol.schema.json", "utf8")) as {
  $defs: { ErrorCode: { enum: string[] }; SessionEnded: { properties: { reason: { enum: string[] } } } };
};
const codes = schema.$defs.ErrorCode.enum;
const reasons = schema.$defs.SessionEnded.properties.reason.enum;
const HAN = /[\u4e00-\u9fff]/;

describe("failures that the server tells", () => {
  it("are known by the server's own list", () => {
    expect(codes).toEqual(expect.arrayContaining(["TextUnusable", "SessionsFull", "Unexpected"]));
    expect(reasons).toContain("vanished");
  });

  it.each(codes)("%s is told in both languages, with what to do", (code) => {
    for (const [words, isChinese] of [[zh, true], [en, false]] as const) {
      const { title, advice, said } = explainError(words, code, "the server's words");
      expect(said).toBe("");
      expect(title.trim()).toBeTruthy();
      expect(advice.trim()).toBeTruthy();
      expect(HAN.test(title) && HAN.test(advice)).toBe(isChinese);
      expect(HAN.test(title + advice)).toBe(isChinese);
    }
  });

  it.each(reasons)("the end for %s is told in both languages", (reason) => {
    for (const [words, isChinese] of [[zh, true], [en, false]] as const) {
      const problem = { code: "ended", reason, message: "the server's words" } as Parameters<typeof explainProblem>[1];
      const { advice, said } = explainProblem(words, problem);
      expect(said).toBe("");
      expect(advice).not.toBe(words.problems.ended.advice);
      expect(HAN.test(advice)).toBe(isChinese);
    }
  });

  it("are told in the server's words where there are none of ours", () => {
    const told = explainError(zh, "FromTomorrow", "a new thing happened; do this");
    expect(told).toEqual({ ...zh.problems.failed, said: "a new thing happened; do this" });
    expect(explainError(zh, "constructor", "x").said).toBe("x");
    const later = { code: "ended", reason: "moved", message: "go there" } as never;
    expect(explainProblem(zh, later).said).toBe("go there");
    expect(explainProblem(zh, { code: "failed", message: "odd" }).said).toBe("odd");
  });

  it("of a refused request are told by the server's code", () => {
    const told = explainProblem(zh, { code: "failed", error: "TooManyAttempts", message: "too many" });
    expect(told).toEqual({ ...zh.errors.TooManyAttempts, said: "" });
    expect(explainProblem(zh, { code: "unreachable", message: "Failed to fetch" }).said).toBe("");
  });
});
