import type { ServerClock } from "./clock";
import type { Media } from "./media";
import { CAPTURE_RATE, type Microphone } from "./microphone";
import { MseMedia } from "./mse";
import type { Server } from "./server";
import { WebRtcMedia } from "./webrtc";

/** What both ways are made of. */
export interface Means {
  server: Server;
  session: string;
  clock: ServerClock;
  device: Microphone;
  iceServers: RTCIceServer[];
}

/** Make one way for sound and picture; nothing is connected yet. */
export function makeMedia(way: "webrtc" | "mse", means: Means): Media {
  const { server, session, clock, device, iceServers } = means;
  if (way === "webrtc")
    return new WebRtcMedia({ iceServers, clock, answer: (sdp) => server.answer(session, sdp) });
  const path = `/api/v1/sessions/${encodeURIComponent(session)}/media`;
  return new MseMedia({
    socket: (query) => server.socket(`${path}?${query}`),
    capture: (stream, send) => device.capture(stream, send),
    rate: CAPTURE_RATE,
  });
}
