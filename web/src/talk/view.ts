import type { Connection, Phase } from "../live/types";
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
    case "restoring":
    case "reconnecting":
      return "live";
    case "ended":
      return "stopped";
  }
}

/** What the state line says. */
export type State = Activity | "greeting" | "connecting" | "restoring" | "reconnecting" | "offline";

/** How things stand, as far as the state line is concerned. */
export interface Standing {
  phase: Phase;
  activity: Activity;
  /** What is said answers nothing: it is a greeting. */
  greets?: boolean;
  /** The button is held: what is said now is listened to. */
  pressed: boolean;
  /** The device has a network, as far as the browser knows. */
  online: boolean;
}

/** What the state line says: what the face does only where questions arrive and the face is there. */
export function chooseState({ phase, activity, greets, pressed, online }: Standing): State {
  switch (phase) {
    case "connected":
      if (pressed) return "listening";
      return greets && (activity === "thinking" || activity === "speaking") ? "greeting" : activity;
    case "restoring":
      return "restoring";
    case "reconnecting":
      return online ? "reconnecting" : "offline";
    case "new":
    case "connecting":
    case "ended":
      return "connecting";
  }
}
