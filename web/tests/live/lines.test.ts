import { describe, expect, it } from "vitest";
import { choosePhase, type Lines } from "../../src/live/lines";
import type { Phase } from "../../src/live/types";
import { type Activity, chooseState } from "../../src/talk/view";

const SESSIONS = ["none", "opening", "open", "over"] as const;
const MEDIA = ["webrtc", "mse", null] as const;
const ACTIVITIES: Activity[] = ["idle", "listening", "thinking", "speaking"];

const all = SESSIONS.flatMap((session) =>
  [true, false].flatMap((events) => MEDIA.map((media): Lines => ({ session, events, media }))),
);

describe("choosePhase", () => {
  const rows: [Lines["session"], boolean, boolean, Phase][] = [
    // session, events, media
    ["none", false, false, "new"],
    ["none", true, true, "new"],
    ["opening", false, false, "connecting"],
    ["opening", true, false, "connecting"],
    ["opening", true, true, "connecting"],
    ["opening", false, true, "connecting"],
    ["open", true, true, "connected"],
    ["open", true, false, "restoring"],
    ["open", false, true, "reconnecting"],
    ["open", false, false, "reconnecting"],
    ["over", true, true, "ended"],
    ["over", false, true, "ended"],
    ["over", true, false, "ended"],
    ["over", false, false, "ended"],
  ];

  it.each(rows)("%s, events %s, media %s: %s", (session, events, media, phase) => {
    for (const kind of ["webrtc", "mse"] as const)
      expect(choosePhase({ session, events, media: media ? kind : null })).toBe(phase);
  });
});

describe("what the state line says", () => {
  it("follows the face only while both lines stand", () => {
    for (const lines of all)
      for (const activity of ACTIVITIES)
        for (const pressed of [true, false])
          for (const online of [true, false]) {
            const state = chooseState({ phase: choosePhase(lines), activity, pressed, online });
            const stands = lines.session === "open" && lines.events && lines.media !== null;
            const what = JSON.stringify({ ...lines, activity, pressed, online });
            expect((ACTIVITIES as string[]).includes(state), what).toBe(stands);
          }
  });

  it.each([
    ["connected", "idle", false, true, "idle"],
    ["connected", "thinking", false, true, "thinking"],
    ["connected", "idle", true, true, "listening"],
    ["restoring", "idle", false, true, "restoring"],
    ["restoring", "speaking", true, true, "restoring"],
    ["reconnecting", "idle", false, true, "reconnecting"],
    ["reconnecting", "speaking", true, true, "reconnecting"],
    ["reconnecting", "idle", false, false, "offline"],
    ["connecting", "idle", false, true, "connecting"],
  ] as const)("%s, %s, held %s, online %s: %s", (phase, activity, pressed, online, state) => {
    expect(chooseState({ phase, activity, pressed, online })).toBe(state);
  });

  it.each([
    ["connected", "speaking", false, "greeting"],
    ["connected", "thinking", false, "greeting"],
    ["connected", "speaking", true, "listening"],
    ["connected", "listening", false, "listening"],
    ["connected", "idle", false, "idle"],
    ["restoring", "speaking", false, "restoring"],
  ] as const)("greets only while it speaks: %s, %s, held %s: %s", (phase, activity, pressed, state) => {
    expect(chooseState({ phase, activity, greets: true, pressed, online: true })).toBe(state);
  });
});
