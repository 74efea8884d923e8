import { within } from "./media";
import { chooseSound } from "./mse";
import type { ConnectionFacts, Server } from "./server";
import type { Check } from "./types";
import { gather } from "./webrtc";

const PATIENCE = 6;

type Step = Check["step"];
type Result = Omit<Check, "step">;

/** Tries each step of a connection, without a session. */
export async function checkConnection(
  server: Server,
  report: (check: Check) => void,
): Promise<Check[]> {
  const done: Check[] = [];
  const tell = (step: Step, result: Result) => {
    const check = { step, ...result };
    done.push(check);
    report(check);
  };
  let facts: ConnectionFacts | null = null;
  try {
    facts = await server.facts();
    tell("server", { outcome: "ok", detail: "" });
    tell("token", { outcome: "ok", detail: "" });
  } catch (error) {
    const { problem } = error as { problem?: { code: string; message: string } };
    const isToken = problem?.code === "token";
    tell("server", { outcome: isToken ? "ok" : "failed", detail: isToken ? "" : String(error) });
    tell("token", { outcome: isToken ? "failed" : "skipped", detail: problem?.message ?? "" });
  }
  if (facts) {
    tell("events", await attempt(() => echo(server, "text")));
    const webrtc = await attempt(() => tryPeer(server, facts.ice_servers, facts, "all"));
    tell("webrtc", webrtc);
    tell("turn", await checkTurn(server, facts));
    tell("media", await checkMedia(server, webrtc.outcome === "ok"));
  } else {
    for (const step of ["events", "webrtc", "turn", "media"] as const)
      tell(step, { outcome: "skipped", detail: "" });
  }
  tell("microphone", await checkMicrophone());
  tell("playback", await checkPlayback());
  return done;
}

async function attempt(work: () => Promise<string>): Promise<Result> {
  try {
    return { outcome: "ok", detail: await work() };
  } catch (error) {
    return { outcome: "failed", detail: error instanceof Error ? error.message : String(error) };
  }
}

/** Send a word, or a piece of media's size, and hear it again; says how long it took. */
async function echo(server: Server, kind: "text" | "binary"): Promise<string> {
  const socket = server.socket("/api/v1/connection-check/echo");
  socket.binaryType = "arraybuffer";
  const began = performance.now();
  try {
    const back = new Promise<void>((resolve, reject) => {
      socket.onopen = () => socket.send(kind === "text" ? "there?" : new Uint8Array(16_000));
      socket.onmessage = () => resolve();
      socket.onclose = (close) => reject(new Error(`the WebSocket was closed (${close.code})`));
    });
    await within(PATIENCE, back, "no answer came over the WebSocket; a proxy may not let it through");
    return `${Math.round(performance.now() - began)} ms`;
  } finally {
    socket.onclose = null;
    socket.close();
  }
}

async function tryPeer(
  server: Server,
  iceServers: RTCIceServer[],
  facts: ConnectionFacts,
  iceTransportPolicy: RTCIceTransportPolicy,
): Promise<string> {
  if (!("RTCPeerConnection" in globalThis)) throw new Error("this browser has no WebRTC");
  const peer = new RTCPeerConnection({ iceServers, iceTransportPolicy });
  const found = new Set<string>();
  const refused = new Set<string>();
  peer.addEventListener("icecandidate", ({ candidate }) => {
    if (candidate?.type) found.add(candidate.type);
  });
  peer.addEventListener("icecandidateerror", ({ url, errorCode, errorText }) => {
    // From 700 on it is the browser's own: no answer came.
    if (errorCode < 700) refused.add(`${url} (${errorCode} ${errorText})`);
  });
  try {
    const channel = peer.createDataChannel("check");
    const back = new Promise<void>((resolve) => {
      channel.onopen = () => channel.send("there?");
      channel.onmessage = () => resolve();
    });
    await peer.setLocalDescription();
    const sdp = await server.answerTrial(await gather(peer));
    await peer.setRemoteDescription({ type: "answer", sdp });
    try {
      await within(PATIENCE, back, "");
    } catch {
      throw new Error(explain(found, facts, refused));
    }
    return describeWay(await peer.getStats());
  } finally {
    peer.close();
  }
}

/** Why no way was found, as far as the candidates tell. */
export function explain(
  found: ReadonlySet<string>,
  facts: ConnectionFacts,
  refused: ReadonlySet<string> = new Set(),
): string {
  const words = ["no way for UDP between this device and the server"];
  if (!facts.ice_servers.length) words.push("no STUN or TURN server is set");
  else if (refused.size) words.push(`TURN refused this device: ${[...refused].join(", ")}`);
  else if (!found.has("srflx") && !found.has("relay"))
    words.push("neither STUN nor TURN answers this device: UDP seems to be blocked");
  else if (!found.has("relay")) words.push("no TURN server could be used");
  for (const { url, reachable, problem } of facts.probes)
    if (!reachable) words.push(`the server cannot use ${url}: ${problem}`);
  return words.join("; ");
}

function describeWay(stats: RTCStatsReport): string {
  let detail = "";
  stats.forEach((pair) => {
    if (pair.type !== "candidate-pair" || !pair.nominated) return;
    const local = stats.get(pair.localCandidateId) as { candidateType?: string } | undefined;
    const way = local?.candidateType === "relay" ? "relayed" : "direct";
    const trip = pair.currentRoundTripTime as number | undefined;
    detail = trip === undefined ? way : `${way}, ${Math.round(trip * 1000)} ms`;
  });
  return detail;
}

async function checkTurn(server: Server, facts: ConnectionFacts): Promise<Result> {
  const turn = facts.ice_servers.filter((s) => [s.urls].flat().some((u) => u.startsWith("turn")));
  if (!turn.length) return { outcome: "skipped", detail: "no TURN server is set" };
  return attempt(() => tryPeer(server, turn, facts, "relay"));
}

async function checkMedia(server: Server, isSpare: boolean): Promise<Result> {
  const sound = chooseSound();
  const detail = "this browser plays no fragmented MP4";
  // Where WebRTC passes, nobody misses the other way.
  if (!sound) return { outcome: isSpare ? "skipped" : "failed", detail };
  return attempt(async () => `${sound}, ${await echo(server, "binary")}`);
}

/** Without asking for anything. */
async function checkMicrophone(): Promise<Result> {
  if (!navigator.mediaDevices)
    return { outcome: "failed", detail: "the page is neither on https nor on localhost" };
  try {
    const name = "microphone" as PermissionName;
    const { state } = await navigator.permissions.query({ name });
    if (state === "denied") return { outcome: "failed", detail: "the permission was refused" };
    const devices = await navigator.mediaDevices.enumerateDevices();
    if (!devices.some((device) => device.kind === "audioinput"))
      return { outcome: "failed", detail: "there is no microphone" };
    return { outcome: state === "granted" ? "ok" : "skipped", detail: state };
  } catch (error) {
    return { outcome: "skipped", detail: String(error) };
  }
}

async function checkPlayback(): Promise<Result> {
  if (!("AudioContext" in globalThis)) return { outcome: "skipped", detail: "" };
  const context = new AudioContext();
  try {
    await within(0.5, context.resume(), "").catch(() => undefined);
    return context.state === "running"
      ? { outcome: "ok", detail: "" }
      : { outcome: "skipped", detail: "the browser wants a tap first" };
  } finally {
    await context.close();
  }
}
