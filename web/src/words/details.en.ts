import { DETAILS, type DetailTexts } from "../live/details";

/** What the connection check found; pages of others are told the same in English. */
export const details: DetailTexts = {
  ...DETAILS,
  probe_failed: "the server says: {reason}",
  server_said: "the server says: {message}",
  browser_said: "the browser says: {message}",
};
