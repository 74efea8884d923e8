/** A session that plays scenes from a script: for tests and for looking at states, never in the build. */
import {
  type Check,
  type Connection,
  type Figures,
  type LiveClient,
  LiveError,
  type LiveEvents,
  type Microphone,
  type Opening,
  type Problem,
} from "../src/live/types";
import type { Persona, ServerEvent } from "../src/protocol";

type Listeners = { [K in keyof LiveEvents]: Set<(value: LiveEvents[K]) => void> };
/** An event without what is the same for all: sequence and version. */
export type Scripted<E = ServerEvent> = E extends ServerEvent
  ? Omit<E, "v" | "seq" | "at" | "turn"> & Partial<Pick<E, "at" | "turn">>
  : never;

export class ScriptedClient implements LiveClient {
  connection: Connection = { phase: "new", transport: null, problem: null };
  microphone: Microphone = "push";
  session = "";
  waiting = "";
  clock = 0;
  loudness = 0;
  refuse: Problem | null = null;
  persona: Persona | null = null;
  checks: Check[] = [];
  readonly calls: [string, ...unknown[]][] = [];
  private seq = 0;
  private readonly listeners: Listeners = {
    event: new Set(),
    connection: new Set(),
    microphone: new Set(),
    problem: new Set(),
    waiting: new Set(),
  };

  constructor(private readonly picture: () => MediaStream | null = () => null) {}

  on<K extends keyof LiveEvents>(kind: K, listener: (value: LiveEvents[K]) => void): () => void {
    this.listeners[kind].add(listener);
    return () => this.listeners[kind].delete(listener);
  }

  send(event: Scripted): void {
    this.tell("event", { v: 1, seq: ++this.seq, at: this.clock, turn: 0, ...event } as ServerEvent);
  }

  become(connection: Partial<Connection>): void {
    this.connection = { ...this.connection, ...connection };
    this.tell("connection", this.connection);
  }

  complain(problem: Problem): void {
    this.tell("problem", problem);
  }

  wait(question: string): void {
    this.waiting = question;
    this.tell("waiting", question);
  }

  attach(player: HTMLVideoElement): void {
    this.player = player;
  }

  async connect(opening: Opening = {}): Promise<void> {
    this.calls.push(["connect", opening]);
    this.wait("");
    this.become({ phase: "connecting", problem: null });
    if (this.refuse) {
      this.become({ phase: "ended", problem: this.refuse });
      throw new LiveError(this.refuse);
    }
    const stream = this.picture();
    if (stream && this.player) {
      this.player.srcObject = stream;
      this.player.muted = true;
      await this.player.play();
    }
    this.session = "scripted";
    this.become({ phase: "connected", transport: "webrtc" });
    this.send({
      type: "session.started",
      session: this.session,
      avatar: "mei",
      voices: { zh: "zf_xiaoxiao", en: "af_heart" },
      language: opening.language ?? "auto",
      emotion: "auto",
      microphone: this.microphone,
      state: "idle",
      width: 512,
      height: 512,
      fps: 25,
      sample_rate: 24000,
      idle_limit: 300,
      persona: this.persona,
    });
  }

  async leave(): Promise<void> {
    this.calls.push(["leave"]);
    this.become({
      phase: "ended",
      transport: null,
      problem: { code: "ended", message: "", reason: "left" },
    });
  }

  async resume(): Promise<void> {
    this.calls.push(["resume"]);
  }

  ask(text: string): void {
    this.calls.push(["ask", text]);
    if (this.connection.phase === "reconnecting") this.wait(text);
  }

  interrupt(): void {
    this.calls.push(["interrupt"]);
    this.wait("");
  }

  forget(): void {
    this.calls.push(["forget"]);
    this.wait("");
    this.send({ type: "history.cleared" });
  }

  async talk(pressed: boolean): Promise<void> {
    this.calls.push(["talk", pressed]);
    if (pressed && this.refuse) throw new LiveError(this.refuse);
  }

  async setMicrophone(mode: Microphone): Promise<void> {
    this.calls.push(["microphone", mode]);
    if (this.refuse) throw new LiveError(this.refuse);
    this.microphone = mode;
    this.tell("microphone", mode);
  }

  change(what: Parameters<LiveClient["change"]>[0]): void {
    this.calls.push(["change", what]);
  }

  feedback(turn: number, rating: "up" | "down", comment = ""): void {
    this.calls.push(["feedback", turn, rating, comment]);
  }

  now(): number {
    return this.clock;
  }

  level(): number {
    return this.loudness;
  }

  async figures(): Promise<Figures> {
    return { roundTrip: 0.012, buffered: 0.18, fps: 25, droppedFrames: 0, loss: 0, bitrate: 1240 };
  }

  async check(report: (check: Check) => void): Promise<Check[]> {
    for (const check of this.checks) report(check);
    return this.checks;
  }

  private player: HTMLVideoElement | null = null;

  private tell<K extends keyof LiveEvents>(kind: K, value: LiveEvents[K]): void {
    for (const listener of this.listeners[kind]) listener(value);
  }
}
