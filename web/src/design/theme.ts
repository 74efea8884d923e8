import { ref } from "vue";
import { recall, remember } from "./memory";

export type Theme = "auto" | "light" | "dark";

const kept = recall("theme");
export const theme = ref<Theme>(kept === "light" || kept === "dark" ? kept : "auto");
const dark = matchMedia("(prefers-color-scheme: dark)");

/** Set the document's colours by the choice and, for `auto`, by the system's. */
export function applyTheme(): void {
  const isDark = theme.value === "dark" || (theme.value === "auto" && dark.matches);
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
}

export function chooseTheme(to: Theme): void {
  theme.value = to;
  remember("theme", to);
  applyTheme();
}

dark.addEventListener("change", applyTheme);
