import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { en } from "../src/words/en";
import { DETAILS, makeDetail } from "../src/live/details";
import { explainDetail, explainError, explainProblem } from "../src/words/explain";
import { zh } from "../src/words/zh";

// The server writes it; the list of codes stands nowhere else.
const schema = JSON.parse(readFileSync("../docs/live/protocol.schema.json", "utf8")) as {
  $defs: { ErrorCode: { enum: string[] }; SessionEnded: { properties: { reason: { enum: string[] } } } };
};
const codes = schema.$defs.ErrorCode.enum;
const reasons = schema.$defs.SessionEnded.properties.reason.enum;
const openapi = JSON.parse(readFileSync("../docs/live/openapi.json", "utf8")) as {
  components: { schemas: { ServerProbe: { properties: { code: { enum: string[] } } } } };
};
const probes = openapi.components.schemas.ServerProbe.properties.code.enum.filter(Boolean);
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

describe("what the connection check found", () => {
  it("may be anything that the server finds of STUN and TURN", () => {
    expect(probes).toEqual(expect.arrayContaining(["unanswered", "turn_credentials"]));
    for (const code of probes) expect(Object.keys(DETAILS)).toContain(code);
  });

  it.each(Object.keys(DETAILS) as (keyof typeof DETAILS)[])("%s is told in both languages, values and all", (code) => {
    const values = { ms: 7, seconds: 1, transport: "UDP", status: 401, reason: "r", message: "m", url: "turn:x", codec: "Opus" };
    const detail = makeDetail(code, values, makeDetail("no_host"));
    const [chinese, english] = [explainDetail(zh, detail), explainDetail(en, detail)];
    expect(HAN.test(chinese)).toBe(true);
    expect(HAN.test(english)).toBe(false);
    for (const text of [chinese, english]) expect(text).not.toMatch(/[{}]/);
    const named = [...DETAILS[code].matchAll(/\{(\w+)\}/g)].map((found) => found[1] ?? "");
    for (const name of named.filter((one) => one !== "why")) {
      const value = String(values[name as keyof typeof values]);
      expect(chinese).toContain(value);
      expect(english).toContain(value);
    }
  });

  it("is the server's refusal by its code, and else in its words", () => {
    const said = (error: string) => explainDetail(zh, makeDetail("server_said", { error, message: "too many" }));
    expect(said("TooManyAttempts")).toBe(zh.errors.TooManyAttempts.title);
    expect(said("FromTomorrow")).toBe("服务器的原话：too many");
    expect(said("constructor")).toBe("服务器的原话：too many");
  });
});
