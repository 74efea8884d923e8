import type { Connection } from "../live/types";
import type { SessionState } from "../protocol";

export type Activity = SessionState["state"];

/**
 * What the page is: waiting for the tap that starts it, on its way, in a conversation, or stopped
 * by a problem that only the user can do something about.
 */
export type View = "start" | "connecting" | "live" | "stopped";

export function chooseView(connection: Connection): View {
  switch (connection.phase) {
    case "new":
      return connection.problem ? "stopped" : "start";
    case "connecting":
      return "connecting";
    case "connected":
    case "reconnecting":
      return "live";
    case "ended":
      return "stopped";
  }
}
