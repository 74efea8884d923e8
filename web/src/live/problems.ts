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
  if (answer.status === 401 || answer.status === 403) return { code: "token", message };
  if (code === "SessionsFull" || answer.status === 503) {
    const seconds = Number(answer.headers.get("Retry-After"));
    return { code: "full", message, retryAfter: seconds > 0 ? seconds : 10 };
  }
  if (answer.status === 502 || answer.status === 504) return { code: "unreachable", message };
  return { code: "failed", message };
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
