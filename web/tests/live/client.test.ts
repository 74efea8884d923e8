import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createLiveClient } from "../../src/live/client";
import type { Connection, LiveError, Problem } from "../../src/live/types";

class FakeSocket {
  static all: FakeSocket[] = [];
  static isRefused = false;
  static persona: object | null = null;
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
      if (FakeSocket.isRefused) return this.drop();
      this.readyState = 1;
      this.onopen?.();
      this.say({ type: "session.started", turn: 0, at: 0, state: "idle", microphone: "push", persona: FakeSocket.persona });
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
  drop(code = 1006) {
    this.readyState = 3;
    this.onclose?.({ code });
  }
  get asked() {
    return this.sent.filter((command) => command.type === "ask").map((command) => command.text);
  }
}

/** Sound and picture whose coming and going a test decides. */
class FakeMedia {
  static all: FakeMedia[] = [];
  static works = true;
  readonly kind = "mse" as const;
  onbroken: ((why: string) => void) | null = null;
  constructor() {
    FakeMedia.all.push(this);
  }
  start() {
    return FakeMedia.works ? Promise.resolve() : Promise.reject(new Error("nothing comes"));
  }
  attach() {}
  setMicrophone() {
    return Promise.resolve();
  }
  now() {
    return null;
  }
  skip() {}
  figures() {
    return Promise.resolve({});
  }
  close() {
    this.onbroken = null;
  }
}
vi.mock("../../src/live/ways", () => ({ makeMedia: () => new FakeMedia() }));

const calls: { method: string; path: string; headers: Record<string, string> }[] = [];
let answer: () => Response | Promise<Response>;

beforeEach(() => {
  FakeSocket.all = [];
  FakeSocket.isRefused = false;
  FakeMedia.all = [];
  FakeMedia.works = true;
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
    expect(socket.sent).toContainEqual({ type: "ask", text: "how?" });
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

describe("the greeting", () => {
  const persona = { name: { zh: "小惠" }, greeting: { zh: "您好。" } };
  const greets = () => FakeSocket.all.flatMap((one) => one.sent).filter((command) => command.type === "greet");
  let refuses: boolean;
  let client: ReturnType<typeof make>;

  async function connect(who: object | null) {
    FakeSocket.persona = who;
    const connects = client.connect();
    await vi.advanceTimersByTimeAsync(10);
    await connects;
  }

  beforeEach(() => {
    refuses = false;
    vi.stubGlobal("MediaSource", Object.assign(class {}, { isTypeSupported: () => true }));
    vi.spyOn(HTMLMediaElement.prototype, "play").mockImplementation(function (this: HTMLMediaElement) {
      return refuses && !this.muted ? Promise.reject(new DOMException("tap", "NotAllowedError")) : Promise.resolve();
    });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"] });
    client = make();
  });
  afterEach(async () => {
    await client.leave();
    FakeSocket.persona = null;
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  it("is asked for when sound and picture come, and not when they come again", async () => {
    await connect(persona);
    expect(greets()).toHaveLength(1);
    FakeMedia.all.at(-1)!.onbroken?.("gone");
    FakeSocket.all.at(-1)!.drop();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(FakeMedia.all.length).toBeGreaterThan(1);
    expect(client.connection.phase).toBe("connected");
    expect(greets()).toHaveLength(1);
  });

  it("waits for the tap that lets sound play", async () => {
    refuses = true;
    await connect(persona);
    expect(greets()).toHaveLength(0);
    refuses = false;
    await client.resume();
    expect(greets()).toHaveLength(1);
    await client.resume();
    expect(greets()).toHaveLength(1);
  });

  it("is not asked for where nobody is named", async () => {
    await connect(null);
    await client.resume();
    expect(greets()).toHaveLength(0);
  });

  it("is asked for in each session anew", async () => {
    await connect(persona);
    await client.leave();
    await connect(persona);
    expect(greets()).toHaveLength(2);
  });
});

describe("lines that break", () => {
  const Source = Object.assign(class {}, { isTypeSupported: () => true });
  const play = vi.fn(() => Promise.resolve());
  let client: ReturnType<typeof make>;
  let seen: Connection[];

  beforeEach(async () => {
    vi.stubGlobal("MediaSource", Source);
    vi.spyOn(HTMLMediaElement.prototype, "play").mockImplementation(play);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"] });
    client = make();
    seen = [];
    const connects = client.connect();
    await vi.advanceTimersByTimeAsync(10);
    await connects;
    client.on("connection", (x) => seen.push(x));
    expect(client.connection.phase).toBe("connected");
  });
  afterEach(async () => {
    await client.leave();
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  const socket = () => FakeSocket.all.at(-1)!;
  const phases = () => seen.map((x) => x.phase);
  function cut() {
    FakeSocket.isRefused = true;
    FakeMedia.works = false;
    answer = () => Promise.reject(new TypeError("Failed to fetch"));
    FakeMedia.all.at(-1)!.onbroken?.("cut");
    socket().drop();
  }
  function mend() {
    FakeSocket.isRefused = false;
    FakeMedia.works = true;
    answer = () => Response.json({});
  }

  it("says the whole time that the line is away, while media are tried again and again", async () => {
    cut();
    await vi.advanceTimersByTimeAsync(30_000);
    expect(FakeMedia.all.length).toBeGreaterThan(3);
    // The picture broke first, by a moment.
    expect(phases().filter((phase) => phase !== "restoring" && phase !== "reconnecting")).toEqual([]);
    expect(phases().lastIndexOf("restoring")).toBeLessThanOrEqual(0);
    expect(client.connection.phase).toBe("reconnecting");
    mend();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(client.connection).toMatchObject({ phase: "connected", transport: "mse", problem: null });
    expect(phases().at(-2)).not.toBe("connected");
  });

  it("brings the picture back by itself while questions go on arriving", async () => {
    FakeMedia.works = false;
    FakeMedia.all.at(-1)!.onbroken?.("gone");
    await vi.advanceTimersByTimeAsync(0);
    expect(client.connection).toMatchObject({ phase: "restoring", transport: null });
    client.ask("still there?");
    expect(socket().asked).toEqual(["still there?"]);
    socket().say({ type: "turn.started", kind: "text", text: "still there?", turn: 1, at: 0 });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(client.connection.problem?.code).toBe("media");
    FakeMedia.works = true;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(client.connection).toMatchObject({ phase: "connected", problem: null });
    expect(phases()).not.toContain("reconnecting");
  });

  it("finds out soon that the line for events is dead too, when the picture breaks", async () => {
    FakeMedia.works = false;
    FakeMedia.all.at(-1)!.onbroken?.("nothing comes any more");
    await vi.advanceTimersByTimeAsync(4_500);
    expect(phases()).toContain("reconnecting");
  });

  it("keeps what is asked meanwhile, tells of it, and sends the latest once", async () => {
    const told: string[] = [];
    client.on("waiting", (x) => told.push(x));
    cut();
    client.ask("first?");
    client.ask("second?");
    expect(client.waiting).toBe("second?");
    mend();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(socket().asked).toEqual(["second?"]);
    socket().say({ type: "turn.started", kind: "text", text: "second?", turn: 1, at: 0 });
    expect(client.waiting).toBe("");
    expect(told).toEqual(["first?", "second?", ""]);
  });

  it("asks again what went into a line that was dead already", async () => {
    client.ask("did you hear?");
    const first = socket();
    expect(first.asked).toEqual(["did you hear?"]);
    await vi.advanceTimersByTimeAsync(6_000);
    expect(socket()).not.toBe(first);
    expect(socket().asked).toEqual(["did you hear?"]);
    socket().say({ type: "turn.started", kind: "text", text: "did you hear?", turn: 1, at: 0 });
    socket().drop();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(socket().asked).toEqual([]);
  });

  it("has what was not asked still at hand when the session ends, until the next one", async () => {
    cut();
    client.ask("too late?");
    FakeSocket.isRefused = true;
    answer = () => new Response(null, { status: 404 });
    await vi.advanceTimersByTimeAsync(2_000);
    expect(client.connection).toMatchObject({ phase: "ended", problem: { reason: "vanished" } });
    expect(client.waiting).toBe("too late?");
    mend();
    answer = () => Response.json({ id: "s2", ice_servers: [], transports: ["mse"] }, { status: 201 });
    const again = client.connect();
    await vi.advanceTimersByTimeAsync(10);
    await again;
    expect(client.waiting).toBe("");
    expect(socket().asked).toEqual([]);
  });

  it("clears the history, and with it the question that waits", async () => {
    cut();
    client.ask("never mind?");
    client.forget();
    expect(client.waiting).toBe("");
    mend();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(socket().asked).toEqual([]);
    expect(socket().sent.filter((command) => command.type === "forget")).toHaveLength(1);
  });

  it("takes a waiting question back with Stop", async () => {
    cut();
    client.ask("never mind?");
    client.interrupt();
    mend();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(socket().asked).toEqual([]);
  });
});
