import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createLiveClient } from "../../src/live/client";
import type { Connection, LiveError, Problem } from "../../src/live/types";

class FakeSocket {
  static all: FakeSocket[] = [];
  readyState = 0;
  sent: { type: string; [key: string]: unknown }[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: string }) => void) | null = null;
  onclose: ((close: { code: number }) => void) | null = null;

  constructor(
    readonly url: URL,
    readonly protocols: string[],
  ) {
    FakeSocket.all.push(this);
    setTimeout(() => {
      this.readyState = 1;
      this.onopen?.();
      this.say({ type: "session.started", turn: 0, at: 0, state: "idle", microphone: "push" });
    });
  }
  say(event: object) {
    this.onmessage?.({ data: JSON.stringify(event) });
  }
  send(text: string) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.readyState = 3;
  }
}

const calls: { method: string; path: string; headers: Record<string, string> }[] = [];
let answer: () => Response | Promise<Response>;

beforeEach(() => {
  FakeSocket.all = [];
  calls.length = 0;
  answer = () =>
    Response.json({ id: "s1", ice_servers: [], transports: ["webrtc", "mse"] }, { status: 201 });
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("fetch", (url: URL, options: { method: string; headers: Record<string, string> }) => {
    calls.push({ method: options.method, path: url.pathname, headers: options.headers });
    return Promise.resolve().then(answer);
  });
});
afterEach(() => vi.unstubAllGlobals());

const make = () => createLiveClient({ base: "https://face.example", token: "T" });
const refusal = (status: number, code: string) => () =>
  Response.json({ error: { code, message: "the server's words" } }, { status });

describe("LiveClient", () => {
  it.each([
    [refusal(503, "SessionsFull"), "full"],
    [refusal(401, "TokenNeeded"), "token"],
    [refusal(500, "Unexpected"), "failed"],
    [() => Promise.reject(new TypeError("Failed to fetch")), "unreachable"],
  ] as const)("says why no session is opened", async (given, code) => {
    answer = given;
    const client = make();
    const rejected = (await client.connect().catch((e: unknown) => e)) as LiveError;
    expect(rejected.problem.code).toBe(code);
    expect(client.connection).toEqual({ phase: "ended", transport: null, problem: rejected.problem });
  });

  it("carries the token, and has events though the browser can play nothing", async () => {
    const client = make();
    const seen: Connection[] = [];
    client.on("connection", (x) => seen.push(x));
    await client.connect({ language: "zh" });
    expect(calls[0]).toMatchObject({ method: "POST", path: "/api/v1/sessions" });
    expect(calls[0]!.headers.Authorization).toBe("Bearer T");
    const socket = FakeSocket.all[0]!;
    expect(socket.url.href).toBe("wss://face.example/api/v1/sessions/s1/events");
    expect(socket.protocols).toEqual(["visavis", "visavis.token.T"]);
    expect(client.connection.problem?.code).toBe("media");
    expect(seen[0]!.phase).toBe("connecting");
    client.ask("how?");
    expect(socket.sent.at(-1)).toEqual({ type: "ask", text: "how?" });
    await client.leave();
    expect(calls.at(-1)).toMatchObject({ method: "DELETE", path: "/api/v1/sessions/s1" });
    expect(client.connection).toEqual({ phase: "ended", transport: null, problem: null });
  });

  it("ends with the server's reason, and may begin anew", async () => {
    const client = make();
    await client.connect();
    const socket = FakeSocket.all[0]!;
    socket.say({ type: "session.ended", reason: "idle", message: "nobody spoke", turn: 0, at: 9 });
    socket.onclose?.({ code: 4000 });
    await vi.waitFor(() => expect(client.connection.phase).toBe("ended"));
    expect(client.connection.problem).toEqual({
      code: "ended",
      reason: "idle",
      message: "nobody spoke",
    });
    await client.connect();
    expect(client.session).toBe("s1");
    await client.leave();
  });

  it("goes on without a microphone, and says what is wrong with it", async () => {
    const client = make();
    const problems: Problem[] = [];
    client.on("problem", (x) => problems.push(x));
    await client.connect({ microphone: "open" });
    expect(problems.map((x) => x.code)).toEqual(["microphone_insecure"]);
    expect(client.microphone).toBe("push");
    await expect(client.setMicrophone("open")).rejects.toMatchObject({
      problem: { code: "microphone_insecure" },
    });
    await expect(client.talk(true)).rejects.toBeInstanceOf(Error);
    expect(client.level()).toBe(0);
    await client.leave();
  });

  it("takes no other session's pong for its own", async () => {
    const client = make();
    await client.connect();
    FakeSocket.all[0]!.say({ type: "pong", sent: 123, at: 77, turn: 0 });
    expect((await client.figures()).roundTrip).toBeNull();
    const ping = FakeSocket.all[0]!.sent.find((c) => c.type === "ping")!;
    FakeSocket.all[0]!.say({ type: "pong", sent: ping.sent, at: 77, turn: 0 });
    expect((await client.figures()).roundTrip).not.toBeNull();
    await client.leave();
  });
});
