import { onBeforeUnmount, onMounted, ref } from "vue";
import { ApiError } from "./api";

/** The last trouble of any request; null while all is well. The shell shows it. */
export const trouble = ref<ApiError | null>(null);

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
  let running = false;
  let stopped = false;

  async function turn(): Promise<void> {
    clearTimeout(timer);
    if (running || stopped) return;
    running = true;
    await work();
    running = false;
    if (!stopped && !document.hidden) timer = setTimeout(turn, every * 1000);
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
