import { describe, expect, it, vi } from "vitest";
import { explain } from "../../src/live/check";
import { makeDetail, makeRefusal, sayDetail } from "../../src/live/details";
import { Emitter } from "../../src/live/emitter";
import { chooseWays, GIVE_UP, within } from "../../src/live/media";
import { Downsampler } from "../../src/live/pcm";
import { Player } from "../../src/live/player";
import { describeMicrophone, describeRefusal } from "../../src/live/problems";
import { Turns } from "../../src/live/turns";
import type { ServerEvent } from "../../src/protocol";

describe("chooseWays", () => {
  const both = ["webrtc", "mse"] as const;
  it("tries WebRTC first", () => {
    expect(chooseWays(both, { webrtc: true, mse: true }, 0)).toEqual(["webrtc", "mse"]);
    expect(chooseWays(both, { webrtc: true, mse: true }, 1)).toEqual(["webrtc", "mse"]);
  });
  it("leaves WebRTC alone where it failed", () => {
    expect(chooseWays(both, { webrtc: true, mse: true }, GIVE_UP)).toEqual(["mse"]);
  });
  it("tries it again where there is nothing else", () => {
    expect(chooseWays(both, { webrtc: true, mse: false }, 9)).toEqual(["webrtc"]);
    expect(chooseWays(both, { webrtc: false, mse: true }, 0)).toEqual(["mse"]);
    expect(chooseWays(["mse"], { webrtc: true, mse: false }, 0)).toEqual([]);
  });
});

describe("within", () => {
  it("rejects what takes too long", async () => {
    await expect(within(0.01, new Promise(() => undefined), "too long")).rejects.toThrow("too long");
    await expect(within(1, Promise.resolve(3), "")).resolves.toBe(3);
  });
});

describe("Emitter", () => {
  it("tells those who listen, also when one of them throws", () => {
    const silent = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const emitter = new Emitter<{ a: number }>();
    const seen: number[] = [];
    emitter.on("a", () => {
      throw new Error("mine");
    });
    const leave = emitter.on("a", (x) => seen.push(x));
    emitter.emit("a", 1);
    leave();
    emitter.emit("a", 2);
    expect(seen).toEqual([1]);
    expect(silent).toHaveBeenCalledTimes(2);
    silent.mockRestore();
  });
});

describe("Downsampler", () => {
  const tone = (hertz: number, rate: number, n: number) =>
    Float32Array.from({ length: n }, (_, i) => 0.5 * Math.sin((2 * Math.PI * hertz * i) / rate));
  const loudness = (x: Int16Array) =>
    Math.sqrt(x.reduce((sum, v) => sum + (v / 32767) ** 2, 0) / x.length) * Math.SQRT2;

  it.each([48_000, 44_100, 16_000])("keeps speech from %d Hz", (rate) => {
    const out = new Downsampler(rate, 16_000).feed(tone(1_000, rate, rate));
    expect(out.length).toBeGreaterThan(15_900);
    expect(out.length).toBeLessThanOrEqual(16_001);
    expect(loudness(out.slice(200))).toBeCloseTo(0.5, 1);
  });

  it("does not fold what is above its range into it", () => {
    const out = new Downsampler(48_000, 16_000).feed(tone(11_000, 48_000, 48_000));
    expect(loudness(out.slice(200, -200))).toBeLessThan(0.005);
  });

  it("gives the same in chunks as in one", () => {
    const whole = new Downsampler(44_100, 16_000).feed(tone(700, 44_100, 44_032));
    const down = new Downsampler(44_100, 16_000);
    const parts: number[] = [];
    const sound = tone(700, 44_100, 44_032);
    for (let i = 0; i < sound.length; i += 128) parts.push(...down.feed(sound.slice(i, i + 128)));
    expect(parts.length).toBe(whole.length);
    expect(Math.max(...parts.map((x, i) => Math.abs(x - whole[i]!)))).toBeLessThanOrEqual(1);
  });

  it("does not wrap what is too loud", () => {
    const out = new Downsampler(16_000, 16_000).feed(new Float32Array(100).fill(-3));
    expect(Math.min(...out)).toBe(-32767);
  });
});

describe("problems", () => {
  const answer = (status: number, body?: unknown, headers: Record<string, string> = {}) =>
    describeRefusal(
      new Response(body === undefined ? "<html>" : JSON.stringify(body), { status, headers }),
    );

  it("names what the server refuses", async () => {
    const full = { error: { code: "SessionsFull", message: "all places are taken" } };
    expect(await answer(503, full, { "Retry-After": "7" })).toEqual({
      code: "full",
      error: "SessionsFull",
      message: "all places are taken",
      retryAfter: 7,
    });
    expect((await answer(401)).code).toBe("token");
    expect((await answer(502)).code).toBe("unreachable");
    expect((await answer(503)).code).toBe("unreachable");
    expect((await answer(500, { error: { message: "broken" } })).message).toBe("broken");
    // Not every refusal for now is for want of a free place, and not every other one for the token.
    for (const [status, code] of [[503, "MissingWeights"], [503, "StoreUnavailable"], [403, "Refused"]] as const)
      expect(await answer(status, { error: { code, message: "why" } })).toMatchObject({ code: "failed", error: code });
  });

  it("names what is wrong with a microphone", () => {
    const code = (name: string, secure = true) => describeMicrophone({ name }, secure).code;
    expect(code("NotAllowedError")).toBe("microphone_denied");
    expect(code("NotFoundError")).toBe("microphone_missing");
    expect(code("NotReadableError")).toBe("microphone_busy");
    expect(code("TypeError", false)).toBe("microphone_insecure");
  });
});

describe("explain", () => {
  const facts = { ice_servers: [], probes: [], client: "", secure: true, webrtc: true };
  const stun = { ...facts, ice_servers: [{ urls: "stun:x" }] };
  const codes = (...asked: Parameters<typeof explain>) => explain(...asked).map(({ code }) => code);
  it("says what the candidates tell", () => {
    expect(codes(new Set(["host"]), facts)).toEqual(["no_way", "no_ice_servers"]);
    expect(codes(new Set(["host"]), stun)).toEqual(["no_way", "udp_blocked"]);
    expect(codes(new Set(["host", "srflx"]), stun)).toEqual(["no_way", "no_relay"]);
    const refused = new Map([["turn:x", makeRefusal(401, "Unauthorized")]]);
    const told = explain(new Set(["host"]), stun, refused).map((one) => sayDetail(one));
    expect(told).toHaveLength(2);
    expect(told[1]).toBe(
      "TURN refused this device: turn:x: the user name or the credential is wrong (401 Unauthorized)",
    );
  });
  it("says why the server cannot use a server of the network, a later one's reasons in its words", () => {
    const probe = { url: "stun:x", reachable: false, problem: "it is down", values: {} };
    const tell = (code: string) =>
      sayDetail(explain(new Set(), { ...stun, probes: [{ ...probe, code }] })[2] ?? makeDetail("no_way"));
    expect(tell("no_host")).toBe("the server cannot use stun:x: there is no such host name");
    expect(tell("of_tomorrow")).toBe("the server cannot use stun:x: it is down");
    expect(tell("constructor")).toBe("the server cannot use stun:x: it is down");
    const well = { ...probe, reachable: true, problem: "", code: "" };
    expect(codes(new Set(), { ...stun, probes: [well] })).toHaveLength(2);
  });
});

describe("Turns", () => {
  const event = (fields: object) => fields as ServerEvent;
  it("knows when something is said", () => {
    const turns = new Turns();
    expect(turns.isOn(1)).toBe(false);
    turns.take(event({ type: "turn.started", turn: 1, at: 2 }));
    expect(turns.isOn(3)).toBe(true);
    expect(turns.take(event({ type: "turn.ended", turn: 1, at: 9, reason: "complete" }))).toBeNull();
    expect(turns.isOn(8)).toBe(true);
    expect(turns.isOn(9)).toBe(false);
    expect(turns.isOver(9)).toBe(true);
  });
  it("tells from where an interrupted answer is silent", () => {
    const turns = new Turns();
    turns.take(event({ type: "turn.started", turn: 4, at: 2 }));
    expect(turns.take(event({ type: "turn.ended", turn: 3, at: 2, reason: "interrupted" }))).toBeNull();
    expect(turns.take(event({ type: "turn.ended", turn: 4, at: 5, reason: "interrupted" }))).toBe(5);
  });
  it("does not wait for an end that was missed", () => {
    const turns = new Turns();
    turns.take(event({ type: "turn.started", turn: 1, at: 2 }));
    turns.take(event({ type: "session.started", turn: 0, at: 30, state: "idle" }));
    expect(turns.isOn(31)).toBe(false);
  });
});

describe("Player", () => {
  const element = () => {
    const made = document.createElement("video");
    made.play = vi.fn(() => Promise.resolve());
    made.pause = vi.fn();
    return made;
  };

  it("is silent until it may speak again, and then as it was", () => {
    vi.useFakeTimers();
    const video = element();
    const player = new Player(video, () => undefined);
    let over = false;
    player.hush(() => over);
    player.hush(() => over);
    expect(video.muted).toBe(true);
    vi.advanceTimersByTime(500);
    expect(video.muted).toBe(true);
    over = true;
    vi.advanceTimersByTime(50);
    expect(video.muted).toBe(false);
    vi.useRealTimers();
  });

  it("does not stay silent for ever", () => {
    vi.useFakeTimers();
    const video = element();
    new Player(video, () => undefined).hush(() => false);
    vi.advanceTimersByTime(3_200);
    expect(video.muted).toBe(false);
    vi.useRealTimers();
  });

  it("plays without sound where the browser refuses it, and says so", async () => {
    const video = element();
    const refused: string[] = [];
    video.play = vi
      .fn()
      .mockRejectedValueOnce(new DOMException("tap first", "NotAllowedError"))
      .mockResolvedValue(undefined);
    await new Player(video, (why) => refused.push(why)).play();
    expect(video.muted).toBe(true);
    expect(refused).toEqual(["tap first"]);
    expect(video.play).toHaveBeenCalledTimes(2);
  });
});
