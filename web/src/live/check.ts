import { type Detail, makeDetail, makeRefusal, sayDetail } from "./details";
import { within } from "./media";
import { chooseSound } from "./mse";
import type { ConnectionFacts, Server } from "./server";
import { type Check, LiveError } from "./types";
import { gather } from "./webrtc";

const PATIENCE = 6;

type Step = Check["step"];
interface Result {
  outcome: Check["outcome"];
  details: Detail[];
}

/** A step failed, for reasons that are known. */
class Failed extends Error {
  constructor(readonly details: Detail[]) {
    super(details.map((detail) => sayDetail(detail)).join("; "));
  }
}

/** Tries each step of a connection, without a session. */
export async function checkConnection(
  server: Server,
  report: (check: Check) => void,
): Promise<Check[]> {
  const done: Check[] = [];
  const tell = (step: Step, outcome: Check["outcome"], details: Detail[] = []) => {
    const detail = details.map((one) => sayDetail(one)).join("; ");
    const check = { step, outcome, detail, details };
    done.push(check);
    report(check);
  };
  const show = (step: Step, { outcome, details }: Result) => tell(step, outcome, details);
  let facts: ConnectionFacts | null = null;
  try {
    facts = await server.facts();
    tell("server", "ok");
    tell("token", "ok");
  } catch (error) {
    const isToken = error instanceof LiveError && error.problem.code === "token";
    tell("server", isToken ? "ok" : "failed", isToken ? [] : describe(error));
    tell("token", isToken ? "failed" : "skipped", isToken ? describe(error) : []);
  }
  if (facts) {
    show("events", await attempt(async () => [makeDetail("answered_in", { ms: await echo(server, "text") })]));
    const webrtc = await attempt(() => tryPeer(server, facts.ice_servers, facts, "all"));
    show("webrtc", webrtc);
    show("turn", await checkTurn(server, facts));
    show("media", await checkMedia(server, webrtc.outcome === "ok"));
  } else {
    for (const step of ["events", "webrtc", "turn", "media"] as const) tell(step, "skipped");
  }
  show("microphone", await checkMicrophone());
  show("playback", await checkPlayback());
  return done;
}

async function attempt(work: () => Promise<Detail[]>): Promise<Result> {
  try {
    return { outcome: "ok", details: await work() };
  } catch (error) {
    return { outcome: "failed", details: describe(error) };
  }
}

/** What went wrong, as far as it is known here. */
function describe(error: unknown): Detail[] {
  if (error instanceof Failed) return error.details;
  if (error instanceof LiveError && error.problem.error)
    return [makeDetail("server_said", { error: error.problem.error, message: error.message })];
  const message = error instanceof Error ? error.message : String(error);
  return message ? [makeDetail("browser_said", { message })] : [];
}

/** Send a word, or a piece of media's size, and hear it again; gives the milliseconds that took. */
async function echo(server: Server, kind: "text" | "binary"): Promise<number> {
  const socket = server.socket("/api/v1/connection-check/echo");
  socket.binaryType = "arraybuffer";
  const began = performance.now();
  try {
    const back = new Promise<void>((resolve, reject) => {
      socket.onopen = () => socket.send(kind === "text" ? "there?" : new Uint8Array(16_000));
      socket.onmessage = () => resolve();
      socket.onclose = ({ code }) => reject(new Failed([makeDetail("socket_closed", { status: code })]));
    });
    await within(PATIENCE, back, "").catch((error: unknown) => {
      throw error instanceof Failed ? error : new Failed([makeDetail("socket_silent")]);
    });
    return Math.round(performance.now() - began);
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
): Promise<Detail[]> {
  if (!("RTCPeerConnection" in globalThis)) throw new Failed([makeDetail("no_webrtc")]);
  const peer = new RTCPeerConnection({ iceServers, iceTransportPolicy });
  const found = new Set<string>();
  const refused = new Map<string, Detail>();
  peer.addEventListener("icecandidate", ({ candidate }) => {
    if (candidate?.type) found.add(candidate.type);
  });
  peer.addEventListener("icecandidateerror", ({ url, errorCode, errorText }) => {
    // From 700 on it is the browser's own: no answer came.
    if (errorCode < 700) refused.set(url, makeRefusal(errorCode, errorText));
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
      throw new Failed(explain(found, facts, refused));
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
  refused: ReadonlyMap<string, Detail> = new Map(),
): Detail[] {
  const details = [makeDetail("no_way")];
  if (!facts.ice_servers.length) details.push(makeDetail("no_ice_servers"));
  else if (refused.size)
    for (const [url, why] of refused) details.push(makeDetail("turn_refused_device", { url }, why));
  else if (!found.has("srflx") && !found.has("relay")) details.push(makeDetail("udp_blocked"));
  else if (!found.has("relay")) details.push(makeDetail("no_relay"));
  for (const { url, reachable, problem, code, values } of facts.probes) {
    if (reachable) continue;
    const why = { code, values: { ...values, said: problem } };
    details.push(makeDetail("server_cannot_use", { url }, why));
  }
  return details;
}

function describeWay(stats: RTCStatsReport): Detail[] {
  let details: Detail[] = [];
  stats.forEach((pair) => {
    if (pair.type !== "candidate-pair" || !pair.nominated) return;
    const local = stats.get(pair.localCandidateId) as { candidateType?: string } | undefined;
    const way = local?.candidateType === "relay" ? "relayed" : "direct";
    const trip = pair.currentRoundTripTime as number | undefined;
    details = [
      trip === undefined ? makeDetail(way) : makeDetail(`${way}_in`, { ms: Math.round(trip * 1000) }),
    ];
  });
  return details;
}

async function checkTurn(server: Server, facts: ConnectionFacts): Promise<Result> {
  const turn = facts.ice_servers.filter((s) => [s.urls].flat().some((u) => u.startsWith("turn")));
  if (!turn.length) return { outcome: "skipped", details: [makeDetail("no_turn")] };
  return attempt(() => tryPeer(server, turn, facts, "relay"));
}

async function checkMedia(server: Server, isSpare: boolean): Promise<Result> {
  const sound = chooseSound();
  // Where WebRTC passes, nobody misses the other way.
  if (!sound) return { outcome: isSpare ? "skipped" : "failed", details: [makeDetail("no_fragmented")] };
  return attempt(async () => [
    makeDetail("sound_in", { codec: sound === "opus" ? "Opus" : "AAC", ms: await echo(server, "binary") }),
  ]);
}

/** Without asking for anything. */
async function checkMicrophone(): Promise<Result> {
  if (!navigator.mediaDevices) return { outcome: "failed", details: [makeDetail("microphone_insecure")] };
  try {
    const name = "microphone" as PermissionName;
    const { state } = await navigator.permissions.query({ name });
    if (state === "denied") return { outcome: "failed", details: [makeDetail("microphone_denied")] };
    const devices = await navigator.mediaDevices.enumerateDevices();
    if (!devices.some((device) => device.kind === "audioinput"))
      return { outcome: "failed", details: [makeDetail("microphone_missing")] };
    const isGranted = state === "granted";
    return {
      outcome: isGranted ? "ok" : "skipped",
      details: [makeDetail(isGranted ? "microphone_granted" : "microphone_prompt")],
    };
  } catch (error) {
    return { outcome: "skipped", details: describe(error) };
  }
}

async function checkPlayback(): Promise<Result> {
  if (!("AudioContext" in globalThis)) return { outcome: "skipped", details: [] };
  const context = new AudioContext();
  try {
    await within(0.5, context.resume(), "").catch(() => undefined);
    return context.state === "running"
      ? { outcome: "ok", details: [] }
      : { outcome: "skipped", details: [makeDetail("tap_first")] };
  } finally {
    await context.close();
  }
}
