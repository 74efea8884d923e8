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

async function send(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path.startsWith("/api/") ? path : `/api/v1/admin${path}`, {
      credentials: "same-origin",
      signal: AbortSignal.timeout(30_000),
      ...init,
    });
  } catch (error) {
    throw new ApiError("unreachable", error instanceof Error ? error.message : "");
  }
  if (response.ok) return response;
  const body = (await response.json().catch(() => null)) as { error?: { code?: string; message?: string } } | null;
  const { code = "", message = String(response.status) } = body?.error ?? {};
  throw new ApiError(TROUBLES[response.status] ?? "failed", message, code);
}

export async function get<T>(path: string): Promise<T> {
  return (await (await send(path, {})).json()) as T;
}

export const post = <T>(path: string, body?: unknown): Promise<T | null> => write<T>("POST", path, body);

export const put = <T>(path: string, body: unknown): Promise<T | null> => write<T>("PUT", path, body);

async function write<T>(method: "POST" | "PUT", path: string, body: unknown): Promise<T | null> {
  const response = await send(path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body ?? {}),
  });
  return response.status === 204 ? null : ((await response.json()) as T);
}

export async function remove(path: string): Promise<void> {
  await send(path, { method: "DELETE" });
}

/** Try a token, and let the server set it as a cookie, out of reach of scripts. */
export async function enter(token: string): Promise<void> {
  await send("/now", { headers: { Authorization: `Bearer ${token}` } });
  location.assign(`/admin?token=${encodeURIComponent(token)}${location.hash}`);
}

export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
