import { computed, ref } from "vue";
import type { Language } from "../live/types";
import { recall, remember } from "../design/memory";
import { en } from "./en";
import { type Words, zh } from "./zh";

export type { Words };
const ALL: Record<Language, Words> = { zh, en };

/** The first language of the browser that there are texts in; English where there is none. */
export function preferredLanguage(languages: readonly string[]): Language {
  for (const one of languages) {
    const short = one.toLowerCase().split("-")[0];
    if (short === "zh" || short === "en") return short;
  }
  return "en";
}

const kept = recall("language");
export const language = ref<Language>(
  kept === "zh" || kept === "en" ? kept : preferredLanguage(navigator.languages),
);
export const words = computed<Words>(() => ALL[language.value]);

/** Tell the browser, which picks glyphs and pronunciation by it. */
export function markDocument(): void {
  document.documentElement.lang = language.value === "zh" ? "zh-CN" : "en";
  document.title = words.value.documentTitle;
}

export function chooseLanguage(to: Language): void {
  language.value = to;
  remember("language", to);
  markDocument();
}

/** Put values into a text's `{names}`. */
export function fill(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** Put a name into a text; Chinese sets one in Latin letters apart. */
export function fillName(text: string, name: string): string {
  const apart = language.value === "zh" && /^[\p{Script=Latin}\d]/u.test(name);
  return fill(text, { name: apart ? ` ${name}` : name });
}
