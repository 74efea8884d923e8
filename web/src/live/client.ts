import type { Command, ServerEvent } from "../protocol";
import { Backoff } from "./backoff";
import { checkConnection } from "./check";
import { ServerClock, SmoothClock } from "./clock";
import { Emitter } from "./emitter";
import { EventsSocket } from "./events";
import { chooseWays, GIVE_UP, PATIENCE, UNKNOWN, within, type Media } from "./media";
import { Microphone as Device } from "./microphone";
import { chooseSound } from "./mse";
import { Player } from "./player";
import { toLiveError } from "./problems";
import { Server, type Opened } from "./server";
import { Turns } from "./turns";
import { LiveError } from "./types";
import type {
  Check,
  Connection,
  Figures,
  LiveClient,
  LiveEvents,
  Microphone,
  Opening,
  Problem,
} from "./types";
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
  private readonly device = new Device(() => this.loseMicrophone());
  private readonly backoff = new Backoff();
  private readonly pings = new Set<number>();
  private player: Player | null = null;
  private opened: Opened | null = null;
  private events: EventsSocket | null = null;
  private media: Media | null = null;
  private isOpen = false;
  private pressed = false;
  private failures = 0;
  /** Rises with each session, and with each try for media; what carries an older number is stale. */
  private epoch = 0;
  private ended: Problem | null = null;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private teller: ReturnType<typeof setInterval> | undefined;
  private readonly leaveQuietly = () => void this.server.end(this.session).catch(() => undefined);
  private readonly hurry = () => this.events?.hurry();

  constructor(private readonly options: ClientOptions) {
    this.server = new Server(options.base, options.token);
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
    this.show("connecting", null);
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
    await this.carry();
    this.teller = setInterval(() => this.tellPlace(), TELL_EVERY);
    if (opening.microphone === "open") {
      // Nobody waits for this one: typing and holding the button go on working.
      await this.setMicrophone("open").catch((error) => this.warn(toLiveError(error).problem));
    }
  }

  async leave(): Promise<void> {
    const { session } = this;
    this.finish(null);
    if (session) await this.server.end(session).catch(() => undefined);
  }

  async resume(): Promise<void> {
    if (!this.player) return;
    this.player.speak();
    this.player.element.muted = false;
    await this.player.play();
  }

  ask(text: string): void {
    this.hushIfTalking();
    this.send({ type: "ask", text });
  }

  interrupt(): void {
    this.hushIfTalking();
    this.send({ type: "interrupt" });
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
          open: () => {
            this.isOpen = true;
            this.showState();
          },
          lost: () => {
            this.isOpen = false;
            this.clock.reset();
            this.showState();
          },
          over: () => {
            const gone: Problem = { code: "ended", message: "", reason: "vanished" };
            reject(new LiveError(this.ended ?? gone));
            this.finish(this.ended ?? gone);
          },
          ping: () => this.ping(),
        },
      );
    });
  }

  private ping(): number {
    const sent = performance.now() / 1000;
    this.pings.add(sent);
    if (this.pings.size > 10) this.pings.delete(Math.min(...this.pings));
    return sent;
  }

  private take(event: ServerEvent): void {
    // Others may listen to the session; their pongs come here too.
    if (event.type === "pong" && this.pings.delete(event.sent))
      this.clock.note(event.sent, performance.now() / 1000, event.at);
    if (event.type === "session.ended") {
      const { reason, message } = event;
      this.ended = { code: "ended", reason, message };
    }
    if (event.type === "session.started" && event.microphone !== this.microphone && this.media)
      this.send({ type: "microphone", mode: this.microphone });
    if (this.turns.take(event) !== null) {
      // Interrupted: what is under way or waits here is not to be heard any more.
      this.tellPlace();
      this.player?.hush(() => this.turns.isOver(this.now()));
      this.media?.skip();
    }
    this.emitter.emit("event", event);
  }

  /** Get sound and picture by the first way that works. */
  private async carry(): Promise<void> {
    const epoch = ++this.epoch;
    clearTimeout(this.retry);
    this.media?.close();
    this.media = null;
    this.smooth.reset();
    const can = { webrtc: "RTCPeerConnection" in globalThis, mse: chooseSound() !== null };
    const offered = this.options.ways ?? this.opened?.transports ?? [];
    let why = "this browser has no way to play";
    for (const way of chooseWays(offered, can, this.failures)) {
      const media = this.make(way);
      try {
        await this.startMedia(media);
      } catch (error) {
        media.close();
        if (epoch !== this.epoch) return;
        why = error instanceof Error ? error.message : String(error);
        if (way === "webrtc") this.failures += GIVE_UP;
        continue;
      }
      if (epoch !== this.epoch) return media.close();
      this.adopt(media);
      return;
    }
    this.show("connected", { code: "media", message: why });
    this.retry = setTimeout(() => void this.carry(), this.backoff.next() + 1_000);
  }

  private async startMedia(media: Media): Promise<void> {
    this.player ??= new Player(document.createElement("video"), () => undefined);
    const { player } = this;
    const starts = media.start(player.element);
    void player.play();
    await within(PATIENCE, starts, `no picture came within ${PATIENCE} s`);
  }

  private adopt(media: Media): void {
    this.media = media;
    this.backoff.reset();
    media.onbroken = (why) => {
      if (media.kind === "webrtc") this.failures++;
      this.media = null;
      media.close();
      this.show("reconnecting", { code: "media", message: why });
      void this.carry();
    };
    this.showState();
    if (this.device.isOpen) void this.useDevice().then(() => this.applyMicrophone());
  }

  private make(way: "webrtc" | "mse"): Media {
    const { server, session, clock, device } = this;
    const iceServers = this.opened?.ice_servers ?? [];
    return makeMedia(way, { server, session, clock, device, iceServers });
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

  private showState(): void {
    if (this.connection.phase === "ended") return;
    if (this.media) this.show(this.isOpen ? "connected" : "reconnecting", null);
    else if (!this.isOpen && this.connection.phase === "connected") this.show("reconnecting", null);
  }

  private show(phase: Connection["phase"], problem: Problem | null): void {
    this.connection = { phase, transport: this.media?.kind ?? null, problem };
    this.emitter.emit("connection", this.connection);
  }

  private finish(problem: Problem | null): void {
    this.reset();
    this.epoch++;
    this.show("ended", problem);
  }

  private reset(): void {
    removeEventListener("pagehide", this.leaveQuietly);
    removeEventListener("online", this.hurry);
    clearTimeout(this.retry);
    clearInterval(this.teller);
    this.events?.close();
    this.media?.close();
    this.device.close();
    this.player?.speak();
    this.turns.reset();
    this.pings.clear();
    this.clock.reset();
    this.smooth.reset();
    this.events = this.media = this.opened = this.ended = null;
    this.isOpen = this.pressed = false;
    this.failures = 0;
    this.session = "";
    this.microphone = "off";
  }
}
