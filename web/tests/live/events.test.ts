import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Backoff } from "../../src/live/backoff";
import { EventsSocket, type EventsListener } from "../../src/live/events";
import type { ServerEvent } from "../../src/protocol";

class FakeSocket {
  static all: FakeSocket[] = [];
  readyState = 0;
  sent: { type: string; [key: string]: unknown }[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: string }) => void) | null = null;
  onclose: ((close: { code: number }) => void) | null = null;

  constructor() {
    FakeSocket.all.push(this);
  }
  send(text: string) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.readyState = 3;
  }
  open() {
    this.readyState = 1;
    this.onopen?.();
  }
  say(data: unknown) {
    this.onmessage?.({ data: typeof data === "string" ? data : JSON.stringify(data) });
  }
  drop(code = 1006) {
    this.readyState = 3;
    this.onclose?.({ code });
  }
}

let log: string[];
let lives: () => Promise<boolean>;

function dial(): EventsSocket {
  const listener: EventsListener = {
    event: (event: ServerEvent) => log.push(event.type),
    lost: () => log.push("(lost)"),
    over: () => log.push("(over)"),
    ping: () => 7,
  };
  return new EventsSocket(() => new FakeSocket() as unknown as WebSocket, () => lives(), listener);
}

const socket = () => FakeSocket.all.at(-1)!;
const commands = () => socket().sent.filter((c) => c.type !== "ping");

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.all = [];
  log = [];
  lives = () => Promise.resolve(true);
});
afterEach(() => vi.useRealTimers());

describe("EventsSocket", () => {
  it("hands events on and sends commands", () => {
    const events = dial();
    socket().open();
    socket().say({ type: "session.started" });
    socket().say("no JSON");
    events.send({ type: "interrupt" });
    expect(log).toEqual(["session.started"]);
    expect(commands()).toEqual([{ type: "interrupt" }]);
    expect(socket().sent[0]).toEqual({ type: "ping", sent: 7 });
  });

  it("comes back after a loss, and then sends what was set meanwhile, not what is past", async () => {
    const events = dial();
    socket().open();
    socket().drop();
    events.send({ type: "change", voice: "zf_xiaoxiao" });
    events.send({ type: "talk", pressed: true });
    events.send({ type: "playback", at: 3 });
    events.send({ type: "ask", text: "kept by whoever shows it" });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(FakeSocket.all).toHaveLength(2);
    socket().open();
    expect(commands()).toEqual([{ type: "change", voice: "zf_xiaoxiao" }]);
    expect(log).toEqual(["(lost)"]);
  });

  it("makes a line in doubt anew when it says nothing, and leaves it when it answers", async () => {
    const events = dial();
    socket().open();
    await vi.advanceTimersByTimeAsync(100);
    events.check();
    await vi.advanceTimersByTimeAsync(1_000);
    socket().say({ type: "pong" });
    await vi.advanceTimersByTimeAsync(4_000);
    expect(log).toEqual(["pong"]);
    events.check();
    await vi.advanceTimersByTimeAsync(4_500);
    expect(log).toEqual(["pong", "(lost)"]);
    expect(FakeSocket.all).toHaveLength(2);
  });

  it("does not wait for a connection that a dead network swallowed", async () => {
    dial();
    const swallowed = socket();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(FakeSocket.all.length).toBeGreaterThan(1);
    swallowed.open();
    swallowed.say({ type: "session.started" });
    expect(log).toEqual([]);
  });

  it("waits longer each time that nobody answers", async () => {
    dial();
    const times: number[] = [];
    for (let i = 0; i < 7; i++) {
      socket().drop();
      const before = FakeSocket.all.length;
      let waited = 0;
      while (FakeSocket.all.length === before) {
        await vi.advanceTimersByTimeAsync(50);
        waited += 50;
      }
      times.push(waited);
    }
    expect(times[0]).toBeLessThanOrEqual(350);
    expect(times[6]).toBeGreaterThan(3_000);
    expect(times[6]).toBeLessThanOrEqual(8_050);
    expect(log).not.toContain("(over)");
  });

  it("is over when the server says so", async () => {
    dial();
    socket().open();
    socket().say({ type: "session.ended" });
    socket().drop(4000);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(log).toEqual(["session.ended", "(over)"]);
    expect(FakeSocket.all).toHaveLength(1);
  });

  it("is over when the session is not there any more", async () => {
    dial();
    socket().open();
    socket().drop();
    await vi.advanceTimersByTimeAsync(500);
    lives = () => Promise.resolve(false);
    socket().drop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(log).toEqual(["(lost)", "(over)"]);
  });

  it("goes on trying while nobody can say whether the session is there", async () => {
    dial();
    lives = () => Promise.reject(new Error("no network"));
    socket().drop();
    await vi.advanceTimersByTimeAsync(20_000);
    socket().drop();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(FakeSocket.all.length).toBeGreaterThan(2);
    expect(log).toEqual([]);
  });

  it("notices a connection that is open and says nothing", async () => {
    dial();
    socket().open();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(log).toContain("(lost)");
    expect(FakeSocket.all.length).toBeGreaterThan(1);
  });

  it("tries at once when the network is said to be back", async () => {
    const events = dial();
    for (let i = 0; i < 6; i++) {
      socket().drop();
      await vi.advanceTimersByTimeAsync(8_000);
    }
    socket().drop();
    await vi.advanceTimersByTimeAsync(0);
    const before = FakeSocket.all.length;
    events.hurry();
    expect(FakeSocket.all.length).toBe(before + 1);
  });

  it("stays closed", async () => {
    const events = dial();
    socket().open();
    events.close();
    socket().drop();
    events.send({ type: "interrupt" });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeSocket.all).toHaveLength(1);
  });
});

describe("Backoff", () => {
  it("spreads the tries", () => {
    expect(new Backoff(() => 0).next()).toBe(150);
    expect(new Backoff(() => 1).next()).toBe(300);
  });
});
