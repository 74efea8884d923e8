import type { Command, ServerEvent, SessionStarted } from "../protocol";
import { Carrier } from "./carrier";
import { checkConnection } from "./check";
import { ServerClock, SmoothClock } from "./clock";
import { Emitter } from "./emitter";
import { EventsSocket } from "./events";
import { choosePhase, type Lines } from "./lines";
import { UNKNOWN, within, type Media } from "./media";
import { Microphone as Device } from "./microphone";
import { Outbox } from "./outbox";
import { Player } from "./player";
import { toLiveError } from "./problems";
import { Server, type Opened } from "./server";
import { Turns } from "./turns";
import { LiveError } from "./types";
import type { Check, Connection, Figures, LiveClient, LiveEvents } from "./types";
import type { Microphone, Opening, Problem } from "./types";
import { makeMedia } from "./ways";

const TELL_EVERY = 1_000;
const EVENTS_PATIENCE = 8;
/** Milliseconds that the microphone stays on when the button is released: the last sound counts. */
const TAIL = 250;

export interface ClientOptions {
  /** The server's address; the page's own by default. */
  base?: string;
  /** Where the cookie does not go along. */
  token?: string;
  /** Ways that may be taken, for tests and for the impatient. */
  ways?: ("webrtc" | "mse")[];
}

/** Makes a client of the server that the page came from. */
export function createLiveClient(options: ClientOptions = {}): LiveClient {
  return new Client(options);
}

class Client implements LiveClient {
  connection: Connection = { phase: "new", transport: null, problem: null };
  microphone: Microphone = "off";
  session = "";

  private readonly emitter = new Emitter<LiveEvents>();
  private readonly server: Server;
  private readonly clock = new ServerClock();
  private readonly smooth = new SmoothClock();
  private readonly turns = new Turns();
  private readonly outbox = new Outbox((question) => this.emitter.emit("waiting", question));
  private readonly device = new Device(() => this.loseMicrophone());
  private player: Player | null = null;
  private opened: Opened | null = null;
  private events: EventsSocket | null = null;
  private carrier: Carrier | null = null;
  private state: Lines["session"] = "none";
  private isOpen = false;
  private pressed = false;
  /** The session has a persona that has not greeted. */
  private mayGreet = false;
  /** Rises with each session; what carries an older number is stale. */
  private epoch = 0;
  private ended: Problem | null = null;
  private problem: Problem | null = null;
  private teller: ReturnType<typeof setInterval> | undefined;
  private readonly leaveQuietly = () => void this.server.end(this.session).catch(() => undefined);
  private readonly hurry = () => this.events?.hurry();

  constructor(private readonly options: ClientOptions) {
    this.server = new Server(options.base, options.token);
  }

  private get media(): Media | null {
    return this.carrier?.media ?? null;
  }

  get waiting(): string {
    return this.outbox.waiting;
  }

  on<K extends keyof LiveEvents>(kind: K, listener: (value: LiveEvents[K]) => void): () => void {
    return this.emitter.on(kind, listener);
  }

  attach(element: HTMLVideoElement): void {
    if (this.player?.element !== element) {
      this.player?.release();
      this.player = new Player(element, (message) => this.warn({ code: "playback", message }));
    }
    if (!this.media) return;
    this.media.attach(element);
    element.muted = false;
    void this.player.play();
  }

  async connect(opening: Opening = {}): Promise<void> {
    const { phase } = this.connection;
    if (phase !== "new" && phase !== "ended") return;
    const epoch = ++this.epoch;
    this.reset();
    this.outbox.clear();
    this.state = "opening";
    this.show();
    try {
      const opened = await this.server.open(opening);
      if (epoch !== this.epoch) {
        await this.server.end(opened.id);
        return;
      }
      this.opened = opened;
      this.session = opened.id;
      addEventListener("pagehide", this.leaveQuietly);
      addEventListener("online", this.hurry);
      const listens = this.listen();
      await within(EVENTS_PATIENCE, listens, "no events come; a proxy may not let WebSockets through");
    } catch (error) {
      const failure = toLiveError(error, "unreachable");
      if (epoch === this.epoch) this.finish(failure.problem);
      throw failure;
    }
    if (opening.microphone) this.microphone = opening.microphone === "open" ? "push" : opening.microphone;
    this.carrier = this.makeCarrier(this.opened);
    await this.carrier.carry();
    if (epoch !== this.epoch) return;
    this.teller = setInterval(() => this.tellPlace(), TELL_EVERY);
    if (opening.microphone === "open") {
      // Nobody waits for this one: typing and holding the button go on working.
      await this.setMicrophone("open").catch((error) => this.warn(toLiveError(error).problem));
    }
  }

  async leave(): Promise<void> {
    const { session } = this;
    this.outbox.clear();
    this.finish(null);
    if (session) await this.server.end(session).catch(() => undefined);
  }

  async resume(): Promise<void> {
    if (!this.player) return;
    this.player.speak();
    this.player.element.muted = false;
    await this.player.play();
    this.greet();
  }

  ask(text: string): void {
    if (this.state === "none" || this.state === "over") return;
    this.outbox.put(text);
    if (!this.isOpen) return;
    this.hushIfTalking();
    this.send({ type: "ask", text });
    this.events?.check();
  }

  interrupt(): void {
    this.hushIfTalking();
    this.outbox.clear();
    this.send({ type: "interrupt" });
  }

  forget(): void {
    this.hushIfTalking();
    this.outbox.clear();
    this.send({ type: "forget" });
  }

  async talk(pressed: boolean): Promise<void> {
    this.pressed = pressed;
    if (!pressed) {
      this.send({ type: "talk", pressed: false });
      setTimeout(() => this.applyMicrophone(), TAIL);
      return;
    }
    if (this.microphone === "off") await this.setMicrophone("push");
    try {
      await this.useDevice();
    } catch (error) {
      this.pressed = false;
      throw toLiveError(error);
    }
    // It may have been released while the permission was asked for.
    if (!this.pressed) return;
    this.hushIfTalking();
    this.applyMicrophone();
    this.send({ type: "talk", pressed: true });
  }

  async setMicrophone(mode: Microphone): Promise<void> {
    if (mode === "open") {
      try {
        await this.useDevice();
      } catch (error) {
        throw toLiveError(error);
      }
    } else if (mode === "off") {
      this.device.close();
      await this.media?.setMicrophone(null);
    }
    this.microphone = mode;
    this.applyMicrophone();
    this.send({ type: "microphone", mode });
    this.emitter.emit("microphone", mode);
  }

  change(what: Parameters<LiveClient["change"]>[0]): void {
    this.send({ type: "change", ...what });
  }

  feedback(turn: number, rating: "up" | "down", comment = ""): void {
    this.send({ type: "feedback", turn, rating, comment });
  }

  now(): number {
    const place = this.media?.now();
    return place == null ? 0 : this.smooth.read(place);
  }

  level(): number {
    return this.device.level();
  }

  async figures(): Promise<Figures> {
    const known = await this.media?.figures();
    return { ...UNKNOWN, roundTrip: this.clock.roundTrip, ...known };
  }

  check(report: (check: Check) => void): Promise<Check[]> {
    return checkConnection(this.server, report);
  }

  /** Open the events socket; resolves with the first `session.started`. */
  private listen(): Promise<void> {
    const path = `/api/v1/sessions/${encodeURIComponent(this.session)}/events`;
    return new Promise((resolve, reject) => {
      this.events = new EventsSocket(
        () => this.server.socket(path),
        () => this.server.lives(this.session),
        {
          event: (event) => {
            this.take(event);
            if (event.type === "session.started") resolve();
          },
          lost: () => {
            this.isOpen = false;
            this.clock.reset();
            this.show();
          },
          over: () => {
            const gone: Problem = { code: "ended", message: "", reason: "vanished" };
            reject(new LiveError(this.ended ?? gone));
            this.finish(this.ended ?? gone);
          },
          ping: () => this.clock.ask(),
        },
      );
    });
  }

  private take(event: ServerEvent): void {
    if (event.type === "pong") this.clock.hear(event);
    if (event.type === "session.ended") {
      const { reason, message } = event;
      this.ended = { code: "ended", reason, message };
    }
    if (event.type === "session.started") this.join(event);
    const question = this.outbox.take(event);
    if (question) this.send({ type: "ask", text: question });
    if (this.turns.take(event) !== null) {
      // Interrupted: what is under way or waits here is not to be heard any more.
      this.tellPlace();
      this.player?.hush(() => this.turns.isOver(this.now()));
      this.media?.skip();
    }
    this.emitter.emit("event", event);
  }

  /** The events line stands, for the first time or again. */
  private join(event: SessionStarted): void {
    this.isOpen = true;
    if (this.state === "opening") this.mayGreet = !!event.persona;
    if (this.state === "open") {
      if (event.microphone !== this.microphone)
        this.send({ type: "microphone", mode: this.microphone });
      // What did not come while nobody answered may come now.
      if (!this.media) void this.carrier?.carry();
    }
    this.show();
  }

  private makeCarrier({ transports, ice_servers }: Opened): Carrier {
    const { server, session, clock, device } = this;
    const means = { server, session, clock, device, iceServers: ice_servers };
    return new Carrier({
      offered: this.options.ways ?? transports,
      make: (way) => makeMedia(way, means),
      player: () => (this.player ??= new Player(document.createElement("video"), () => undefined)),
      isReachable: () => this.isOpen,
      came: () => {
        this.smooth.reset();
        this.settle(null);
        this.greet();
        if (this.device.isOpen) void this.useDevice().then(() => this.applyMicrophone());
      },
      broke: () => {
        // Both lines may be gone: the one for events is to say so soon.
        this.events?.check();
        this.show();
      },
      failed: (why) => this.settle({ code: "media", message: why }),
    });
  }

  /** Sound and picture came, or no way for them was found. */
  private settle(problem: Problem | null): void {
    this.state = "open";
    this.problem = problem;
    this.show();
  }

  /** Let the persona greet, once in a session and not before it is heard. */
  private greet(): void {
    if (!this.mayGreet || !this.media || this.player?.element.muted) return;
    this.mayGreet = false;
    this.send({ type: "greet" });
  }

  private async useDevice(): Promise<void> {
    const stream = await this.device.open();
    await this.media?.setMicrophone(stream);
  }

  private applyMicrophone(): void {
    this.device.let(this.microphone === "open" || (this.microphone === "push" && this.pressed));
  }

  private loseMicrophone(): void {
    this.microphone = "off";
    void this.media?.setMicrophone(null);
    this.send({ type: "microphone", mode: "off" });
    this.emitter.emit("microphone", "off");
    this.warn({ code: "microphone_missing", message: "the microphone is gone" });
  }

  private hushIfTalking(): void {
    if (!this.turns.isOn(this.now())) return;
    this.tellPlace();
    this.player?.hush(() => this.turns.isOver(this.now()));
  }

  private tellPlace(): void {
    const at = this.now();
    if (this.isOpen && at > 0 && this.turns.isOn(at)) this.send({ type: "playback", at });
  }

  private send(command: Command): void {
    this.events?.send(command);
  }

  private warn(problem: Problem): void {
    this.emitter.emit("problem", problem);
  }

  private show(): void {
    const media = this.media?.kind ?? null;
    const phase = choosePhase({ session: this.state, events: this.isOpen, media });
    const { connection: last, problem } = this;
    if (phase === last.phase && media === last.transport && problem === last.problem) return;
    this.connection = { phase, transport: media, problem };
    this.emitter.emit("connection", this.connection);
  }

  private finish(problem: Problem | null): void {
    this.reset();
    this.epoch++;
    this.state = "over";
    this.problem = problem;
    this.show();
  }

  private reset(): void {
    removeEventListener("pagehide", this.leaveQuietly);
    removeEventListener("online", this.hurry);
    clearInterval(this.teller);
    this.events?.close();
    this.carrier?.close();
    this.device.close();
    this.player?.speak();
    this.turns.reset();
    this.clock.reset();
    this.smooth.reset();
    this.events = this.carrier = this.opened = this.ended = this.problem = null;
    this.isOpen = this.pressed = this.mayGreet = false;
    this.session = "";
    this.microphone = "off";
  }
}
