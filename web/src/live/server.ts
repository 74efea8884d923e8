import { describeRefusal, toLiveError } from "./problems";
import { LiveError, type Opening } from "./types";

/** What the server says of a session that it opened. */
export interface Opened {
  id: string;
  ice_servers: RTCIceServer[];
  transports: ("webrtc" | "mse")[];
}

/** What the server knows of the way to it. */
export interface ConnectionFacts {
  ice_servers: RTCIceServer[];
  probes: {
    url: string;
    reachable: boolean;
    /** In English. */
    problem: string;
    /** Of the problem. */
    code: string;
    values: Record<string, string | number>;
  }[];
  client: string;
  secure: boolean;
  webrtc: boolean;
}

const SUBPROTOCOL = "visavis";

/** The HTTP and WebSocket side of the server. */
export class Server {
  /**
   * @param base its address; the page's own by default
   * @param token where the cookie of the link does not go along: a page of another origin
   */
  constructor(
    private readonly base = location.origin,
    private readonly token = "",
  ) {}

  async open(opening: Opening): Promise<Opened> {
    return (await this.post("/api/v1/sessions", opening)) as Opened;
  }

  async answer(session: string, sdp: string): Promise<string> {
    const path = `/api/v1/sessions/${encodeURIComponent(session)}/webrtc`;
    return ((await this.post(path, { sdp, type: "offer" })) as { sdp: string }).sdp;
  }

  async answerTrial(sdp: string): Promise<string> {
    const path = "/api/v1/connection-check/webrtc";
    return ((await this.post(path, { sdp, type: "offer" })) as { sdp: string }).sdp;
  }

  async facts(): Promise<ConnectionFacts> {
    return (await this.call("GET", "/api/v1/connection-check")) as ConnectionFacts;
  }

  /** Whether a session still lives. Rejects when nobody answers. */
  async lives(session: string): Promise<boolean> {
    const path = `/api/v1/sessions/${encodeURIComponent(session)}`;
    const answer = await this.fetch("GET", path);
    if (answer.status === 404 || answer.status === 410) return false;
    if (!answer.ok) throw new LiveError(await describeRefusal(answer));
    return true;
  }

  /** End a session; also while the page is being closed. */
  async end(session: string): Promise<void> {
    const path = `/api/v1/sessions/${encodeURIComponent(session)}`;
    await this.fetch("DELETE", path, undefined, true);
  }

  socket(path: string): WebSocket {
    const url = new URL(path, this.base);
    url.protocol = url.protocol.replace("http", "ws");
    const names = this.token ? [SUBPROTOCOL, `${SUBPROTOCOL}.token.${this.token}`] : [];
    return new WebSocket(url, names);
  }

  private async post(path: string, body: unknown): Promise<unknown> {
    return this.call("POST", path, body);
  }

  private async call(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await this.fetch(method, path, body);
    if (!answer.ok) throw new LiveError(await describeRefusal(answer));
    return answer.json();
  }

  private async fetch(
    method: string,
    path: string,
    body?: unknown,
    keepalive = false,
  ): Promise<Response> {
    const headers: Record<string, string> = {};
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    try {
      return await fetch(new URL(path, this.base), {
        method,
        headers,
        keepalive,
        credentials: "same-origin",
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(15_000),
      });
    } catch (error) {
      throw toLiveError(error, "unreachable");
    }
  }
}
