import type { Command, ServerEvent } from "../protocol";
import { Backoff } from "./backoff";

/** Close codes of the server. */
export const ENDED = 4000;
const PING_EVERY = 2_000;
const SILENT_FOR = 12_000;
const KEPT_COMMANDS = 20;

export interface EventsListener {
  event(event: ServerEvent): void;
  /** The first connection and each one after a loss. */
  open(): void;
  /** It was lost and is being made again. */
  lost(): void;
  /** It is over: the server said so, or the session is not there any more. */
  over(): void;
  /** A ping is to be sent; the answer comes as an event. */
  ping(): number;
}

/**
 * The events WebSocket, which comes back by itself. Commands that are given while it is away go out
 * when it is back, the latest ones only.
 */
export class EventsSocket {
  private socket: WebSocket | null = null;
  private readonly waiting: string[] = [];
  private readonly backoff = new Backoff();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private heart: ReturnType<typeof setInterval> | undefined;
  private heard = 0;
  private closed = false;
  private wasOpen = false;

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
    } else if (!this.closed && command.type !== "ping" && command.type !== "playback") {
      this.waiting.push(text);
      if (this.waiting.length > KEPT_COMMANDS) this.waiting.shift();
    }
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    clearInterval(this.heart);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  /** Try at once, when the network is said to be back. */
  hurry(): void {
    if (this.closed || this.socket) return;
    clearTimeout(this.timer);
    this.backoff.reset();
    this.dial();
  }

  private dial(): void {
    const socket = this.make();
    let opened = false;
    this.socket = socket;
    socket.onopen = () => {
      opened = this.wasOpen = true;
      this.heard = Date.now();
      this.heart = setInterval(() => this.beat(), PING_EVERY);
      for (const text of this.waiting.splice(0)) socket.send(text);
      this.listener.open();
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
    if (Date.now() - this.heard > SILENT_FOR) {
      // Nothing comes, and nobody closed: the network changed under it.
      const socket = this.socket;
      if (socket) {
        socket.onclose = null;
        socket.close();
        void this.lose(0, true);
      }
      return;
    }
    this.send({ type: "ping", sent: this.listener.ping() });
  }

  private async lose(code: number, opened: boolean): Promise<void> {
    clearInterval(this.heart);
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

  /** Whether it was ever open. */
  get hasBeenOpen(): boolean {
    return this.wasOpen;
  }
}
