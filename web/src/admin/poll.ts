import { onBeforeUnmount, onMounted, ref } from "vue";
import { language, words } from "../words";
import { explainError, explainProblem } from "../words/explain";
import { ApiError } from "./api";
import { sayProblem } from "./importProblems";

/** The last trouble of any request; null while all is well. The shell shows it. */
export const trouble = ref<ApiError | null>(null);

/** What it is in words of ours, where the code has some; the operator is told the details as well. */
export function describe({ trouble: kind, code, message }: ApiError): string {
  if (kind === "unreachable") return explainProblem(words.value, { code: "unreachable", message }).title;
  const { title, said } = explainError(words.value, code, message);
  return said || `${title} – ${sayProblem(message, language.value)}`;
}

/** Run a request for a form, which shows by itself why the server refused it. */
export async function attempt<T>(work: () => Promise<T>): Promise<{ made: T; refusal: "" } | { made: null; refusal: string }> {
  try {
    return { made: await work(), refusal: "" };
  } catch (error) {
    const known = error instanceof ApiError ? error : new ApiError("failed", String(error));
    if (known.trouble === "token" || known.trouble === "operator") trouble.value = known;
    return { made: null, refusal: describe(known) };
  }
}

/** Run a request; a trouble is kept for the shell to show, and undefined comes back. */
export async function ask<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    const found = await work();
    trouble.value = null;
    return found;
  } catch (error) {
    trouble.value = error instanceof ApiError ? error : new ApiError("failed", String(error));
    return undefined;
  }
}

/** Do something now and again every so many seconds, but only while the page is seen. */
export function usePolling(work: () => Promise<unknown>, every: number): () => Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running: Promise<void> | null = null;
  let queued: Promise<void> | null = null;
  let stopped = false;

  async function once(): Promise<void> {
    await work();
    running = null;
    if (!stopped && !queued && !document.hidden) timer = setTimeout(turn, every * 1000);
  }

  function turn(): Promise<void> {
    clearTimeout(timer);
    if (stopped) return Promise.resolve();
    // Whoever asks while a look goes on has changed something since, and must see it.
    if (running) {
      queued ??= running.then(() => {
        queued = null;
        return turn();
      });
      return queued;
    }
    running = once();
    return running;
  }

  const look = () => {
    if (!document.hidden) void turn();
  };
  onMounted(() => {
    document.addEventListener("visibilitychange", look);
    void turn();
  });
  onBeforeUnmount(() => {
    stopped = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", look);
  });
  return turn;
}
