import type { Phase } from "./types";

/** How things stand: the two lines to the server, and the session that they belong to. */
export interface Lines {
  /** Opening: until sound and picture came for the first time, or no way for them was found. */
  session: "none" | "opening" | "open" | "over";
  /** The events line stands: the server has spoken over it since it was made. */
  events: boolean;
  /** What carries sound and picture; null while nothing does. */
  media: "webrtc" | "mse" | null;
}

/**
 * What a connection is, and all that is shown of it. The events line comes first: without it nothing
 * that is asked arrives, whether the picture plays or not.
 */
export function choosePhase({ session, events, media }: Lines): Phase {
  switch (session) {
    case "none":
      return "new";
    case "opening":
      return "connecting";
    case "over":
      return "ended";
    case "open":
      if (!events) return "reconnecting";
      return media ? "connected" : "restoring";
  }
}
