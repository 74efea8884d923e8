import { onBeforeUnmount, onMounted } from "vue";

const TYPES = "input, textarea, select, button, summary, a, [contenteditable], [role=button]";

/** Hold the space bar to talk, wherever the space bar means nothing else. */
export function useSpaceBar(isOn: () => boolean, press: (down: boolean) => void): void {
  let held = false;

  function down(event: KeyboardEvent): void {
    if (event.code !== "Space" || event.ctrlKey || event.altKey || event.metaKey) return;
    if (!held && (!isOn() || (event.target as Element | null)?.closest?.(TYPES))) return;
    event.preventDefault();
    if (held || event.repeat) return;
    held = true;
    press(true);
  }

  function up(event: KeyboardEvent): void {
    if (event.code === "Space") release();
  }

  function release(): void {
    if (!held) return;
    held = false;
    press(false);
  }

  onMounted(() => {
    addEventListener("keydown", down);
    addEventListener("keyup", up);
    addEventListener("blur", release);
  });
  onBeforeUnmount(() => {
    removeEventListener("keydown", down);
    removeEventListener("keyup", up);
    removeEventListener("blur", release);
    release();
  });
}
