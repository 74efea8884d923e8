import { LiveError, type Problem } from "./types";

/** What a refused HTTP request means. */
export async function describeRefusal(answer: Response): Promise<Problem> {
  let message = `${answer.status} ${answer.statusText}`.trim();
  let code = "";
  try {
    const body = (await answer.json()) as { error?: { code?: string; message?: string } };
    message = body.error?.message ?? message;
    code = body.error?.code ?? "";
  } catch {
    // A proxy's page, not the server's words.
  }
  const problem = { message, ...(code && { error: code }) };
  if (answer.status === 401 || (answer.status === 403 && code !== "Refused"))
    return { code: "token", ...problem };
  if (code === "SessionsFull") {
    const seconds = Number(answer.headers.get("Retry-After"));
    return { code: "full", ...problem, retryAfter: seconds > 0 ? seconds : 10 };
  }
  // Not the server's own words, but those of a proxy that does not get through to it.
  if (!code && [502, 503, 504].includes(answer.status)) return { code: "unreachable", ...problem };
  return { code: "failed", ...problem };
}

/** What a refused microphone means. */
export function describeMicrophone(error: unknown, secure: boolean): Problem {
  const { name = "", message = "" } = (error ?? {}) as { name?: string; message?: string };
  if (!secure) return { code: "microphone_insecure", message };
  if (name === "NotAllowedError" || name === "SecurityError")
    return { code: "microphone_denied", message };
  if (name === "NotReadableError" || name === "AbortError")
    return { code: "microphone_busy", message };
  return { code: "microphone_missing", message };
}

/** Make any thrown thing a LiveError. */
export function toLiveError(error: unknown, code: Problem["code"] = "failed"): LiveError {
  if (error instanceof LiveError) return error;
  return new LiveError({ code, message: error instanceof Error ? error.message : String(error) });
}
