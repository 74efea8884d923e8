/** What the connection check found, as codes with values, so that a page says it in its language. */
export interface Detail {
  code: string;
  values: Record<string, string | number>;
  /** What is behind it, where that is known; `{why}` in a text. */
  why?: Detail;
}

/** Texts by code. Those of the server's probes have the codes of `ServerProbe` in its OpenAPI. */
export const DETAILS = {
  direct: "direct",
  direct_in: "direct, {ms} ms",
  relayed: "relayed",
  relayed_in: "relayed, {ms} ms",
  answered_in: "{ms} ms",
  sound_in: "{codec}, {ms} ms",
  socket_closed: "the WebSocket was closed ({status})",
  socket_silent: "no answer came over the WebSocket; a proxy may not let it through",
  no_webrtc: "this browser has no WebRTC",
  no_way: "no way for UDP between this device and the server",
  no_ice_servers: "no STUN or TURN server is set",
  no_turn: "no TURN server is set",
  udp_blocked: "neither STUN nor TURN answers this device: UDP seems to be blocked",
  no_relay: "no TURN server could be used",
  turn_refused_device: "TURN refused this device: {url}: {why}",
  server_cannot_use: "the server cannot use {url}: {why}",
  unanswered: "it is not reachable: no answer within {seconds} s; does it run, and is {transport} let through?",
  no_listener: "it is not reachable: nothing listens at this port",
  no_host: "there is no such host name",
  certificate: "its certificate is not trusted ({reason})",
  turn_credentials: "the user name or the credential is wrong ({status} {reason})",
  turn_forbidden: "it does not serve this machine ({status} {reason})",
  turn_quota: "this user has as many relays as its quota allows ({status} {reason})",
  turn_ports: "all its relay ports are taken ({status} {reason})",
  turn_refused: "it gives out no relay ({status} {reason})",
  probe_failed: "{reason}",
  no_fragmented: "this browser plays no fragmented MP4",
  microphone_insecure: "the page is neither on https nor on localhost",
  microphone_denied: "the permission was refused",
  microphone_missing: "there is no microphone",
  microphone_granted: "the permission is given",
  microphone_prompt: "the browser will ask for permission",
  tap_first: "the browser wants a tap first",
  server_said: "{message}",
  browser_said: "{message}",
};

export type DetailTexts = Record<keyof typeof DETAILS, string>;

const REFUSALS: Record<number, keyof DetailTexts> = {
  401: "turn_credentials",
  403: "turn_forbidden",
  486: "turn_quota",
  508: "turn_ports",
};

export function makeDetail(
  code: keyof DetailTexts,
  values: Detail["values"] = {},
  why?: Detail,
): Detail {
  return why ? { code, values, why } : { code, values };
}

/** Why a TURN server gives out no relay, by the status of its answer. */
export function makeRefusal(status: number, reason: string): Detail {
  return makeDetail(REFUSALS[status] ?? "turn_refused", { status, reason });
}

/** A detail in words; a later server's in its own, where the texts do not have its code. */
export function sayDetail(detail: Detail, texts: DetailTexts = DETAILS): string {
  const { code, values, why } = detail;
  if (!Object.hasOwn(texts, code)) return String(values.said ?? code);
  return texts[code as keyof DetailTexts].replace(/\{(\w+)\}/g, (whole, name: string) =>
    name === "why" && why ? sayDetail(why, texts) : String(values[name] ?? whole),
  );
}
