/** Asks the server; the cookie that the link set carries the token. */

export type Trouble = "token" | "operator" | "patience" | "unreachable" | "failed";

export class ApiError extends Error {
  /** @param code the server's name of the error, where it was the server that refused */
  constructor(
    readonly trouble: Trouble,
    message: string,
    readonly code = "",
  ) {
    super(message);
    this.name = "ApiError";
  }
}

const TROUBLES: Record<number, Trouble> = { 401: "token", 403: "operator", 429: "patience" };

/** Where the routes of the knowledge bases are; other paths are those of the operator's routes. */
export const KNOWLEDGE = "/api/v1/knowledge";

const PATIENCE = 30_000;
/** Milliseconds for what turns over a whole base: 100 000 pairs take a minute on a busy machine. */
export const LONG = 600_000;

async function send(path: string, init: RequestInit, patience = PATIENCE): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path.startsWith("/api/") ? path : `/api/v1/admin${path}`, {
      credentials: "same-origin",
      signal: AbortSignal.timeout(patience),
      ...init,
    });
  } catch (error) {
    throw new ApiError("unreachable", error instanceof Error ? error.message : "");
  }
  if (response.ok) return response;
  throw refuse(response.status, await response.text().catch(() => ""));
}

/** What a refusal of the server says; where it is none of its own, such as a proxy's, its status. */
function refuse(status: number, text: string): ApiError {
  let body: { error?: { code?: string; message?: string } } | null = null;
  try {
    body = JSON.parse(text);
  } catch {
    // No JSON: a page of whatever stands before the server.
  }
  const { code = "", message = String(status) } = body?.error ?? {};
  return new ApiError(TROUBLES[status] ?? "failed", message, code);
}

export async function get<T>(path: string): Promise<T> {
  return (await (await send(path, {})).json()) as T;
}

export const post = <T>(path: string, body?: unknown, patience = PATIENCE): Promise<T | null> =>
  write<T>("POST", path, body, patience);

export const put = <T>(path: string, body: unknown): Promise<T | null> => write<T>("PUT", path, body);

export const patch = <T>(path: string, body: unknown): Promise<T | null> => write<T>("PATCH", path, body);

async function write<T>(
  method: "POST" | "PUT" | "PATCH",
  path: string,
  body: unknown,
  patience = PATIENCE,
): Promise<T | null> {
  const headers = { "Content-Type": "application/json" };
  const response = await send(path, { method, headers, body: JSON.stringify(body ?? {}) }, patience);
  return response.status === 204 ? null : ((await response.json()) as T);
}

export async function remove(path: string): Promise<void> {
  await send(path, { method: "DELETE" });
}

/** Delete, and learn what became of it. */
export async function discard<T>(path: string, patience = PATIENCE): Promise<T> {
  return (await (await send(path, { method: "DELETE" }, patience)).json()) as T;
}

/**
 * Send a form with a file. `fetch` tells nothing of how much has gone out.
 *
 * @param told given the part that is sent, 0 to 1
 * @param stop stops it
 */
export function upload<T>(path: string, form: FormData, told: (part: number) => void, stop: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.upload.onprogress = (event) => told(event.lengthComputable ? event.loaded / event.total : 0);
    request.onload = () => {
      if (request.status >= 400) reject(refuse(request.status, request.responseText));
      else resolve(JSON.parse(request.responseText) as T);
    };
    request.onerror = () => reject(new ApiError("unreachable", ""));
    request.onabort = () => reject(new ApiError("failed", "", "Cancelled"));
    stop.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

/** Try a token, and let the server set it as a cookie, out of reach of scripts. */
export async function enter(token: string): Promise<void> {
  await send("/now", { headers: { Authorization: `Bearer ${token}` } });
  location.assign(`/admin?token=${encodeURIComponent(token)}${location.hash}`);
}

export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
