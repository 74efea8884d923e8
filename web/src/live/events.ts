import type { Command, ServerEvent } from "../protocol";
import { Backoff } from "./backoff";

/** Close codes of the server. */
export const ENDED = 4000;
const PING_EVERY = 2_000;
const SILENT_FOR = 12_000;
/** Milliseconds in which a line that is in doubt must say something. */
const DOUBTED_FOR = 4_000;
/** Milliseconds in which a connection must come about: a network that swallows packets says nothing. */
const DIALLED_FOR = 8_000;
/** What means nothing any more when the line is back. */
const FLEETING: readonly Command["type"][] = ["ping", "playback", "talk", "ask"];
const KEPT_COMMANDS = 20;

export interface EventsListener {
  event(event: ServerEvent): void;
  /** It was lost and is being made again. */
  lost(): void;
  /** It is over: the server said so, or the session is not there any more. */
  over(): void;
  /** A ping is to be sent; the answer comes as an event. */
  ping(): number;
}

/**
 * The events WebSocket, which comes back by itself. Settings and the like that are given while it is
 * away go out when it is back, the latest ones only. Each time, `session.started` comes first.
 */
export class EventsSocket {
  private socket: WebSocket | null = null;
  private readonly waiting: string[] = [];
  private readonly backoff = new Backoff();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private heart: ReturnType<typeof setInterval> | undefined;
  private doubt: ReturnType<typeof setTimeout> | undefined;
  private heard = 0;
  private closed = false;

  /**
   * @param make opens a WebSocket
   * @param lives whether the session is still there; asked when a connection is refused
   */
  constructor(
    private readonly make: () => WebSocket,
    private readonly lives: () => Promise<boolean>,
    private readonly listener: EventsListener,
  ) {
    this.dial();
  }

  send(command: Command): void {
    const text = JSON.stringify(command);
    if (this.socket?.readyState === 1) {
      this.socket.send(text);
    } else if (!this.closed && !FLEETING.includes(command.type)) {
      this.waiting.push(text);
      if (this.waiting.length > KEPT_COMMANDS) this.waiting.shift();
    }
  }

  /** Something speaks for a dead line: it is to answer soon, or is made anew. */
  check(): void {
    const { socket } = this;
    if (this.doubt !== undefined || socket?.readyState !== 1) return;
    const asked = Date.now();
    this.send({ type: "ping", sent: this.listener.ping() });
    this.doubt = setTimeout(() => {
      this.doubt = undefined;
      if (this.heard < asked) this.abandon(true);
    }, DOUBTED_FOR);
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.discard();
  }

  /** Try at once, when the network is said to be back. */
  hurry(): void {
    if (this.closed || this.socket?.readyState === 1) return;
    this.discard();
    clearTimeout(this.timer);
    this.backoff.reset();
    this.dial();
  }

  private dial(): void {
    const socket = this.make();
    let opened = false;
    this.socket = socket;
    this.doubt = setTimeout(() => this.abandon(false), DIALLED_FOR);
    socket.onopen = () => {
      opened = true;
      this.trust();
      this.heard = Date.now();
      this.heart = setInterval(() => this.beat(), PING_EVERY);
      for (const text of this.waiting.splice(0)) socket.send(text);
      this.beat();
    };
    socket.onmessage = (message: MessageEvent) => {
      this.heard = Date.now();
      let event: ServerEvent;
      try {
        event = JSON.parse(String(message.data)) as ServerEvent;
      } catch {
        return;
      }
      // Only a connection that says something was worth making.
      this.backoff.reset();
      this.listener.event(event);
    };
    socket.onclose = (close: CloseEvent) => {
      if (this.socket === socket) void this.lose(close.code, opened);
    };
  }

  private beat(): void {
    if (Date.now() - this.heard > SILENT_FOR) this.abandon(true);
    else this.send({ type: "ping", sent: this.listener.ping() });
  }

  /** Nothing comes, and nobody closed: the network changed under it. */
  private abandon(opened: boolean): void {
    this.discard();
    void this.lose(0, opened);
  }

  /** Let go of the WebSocket that there is, without a word from it. */
  private discard(): void {
    clearInterval(this.heart);
    this.trust();
    const { socket } = this;
    this.socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  private trust(): void {
    clearTimeout(this.doubt);
    this.doubt = undefined;
  }

  private async lose(code: number, opened: boolean): Promise<void> {
    clearInterval(this.heart);
    this.trust();
    this.socket = null;
    if (this.closed) return;
    if (code === ENDED) return this.finish();
    if (opened) this.listener.lost();
    else if (await this.isGone()) return this.finish();
    if (this.closed || this.socket) return;
    this.timer = setTimeout(() => this.dial(), this.backoff.next());
  }

  private async isGone(): Promise<boolean> {
    try {
      return !(await this.lives());
    } catch {
      return false; // nobody answers: that says nothing of the session
    }
  }

  private finish(): void {
    if (this.closed) return;
    this.close();
    this.listener.over();
  }
}
