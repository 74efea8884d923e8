import { computed } from "vue";
import { language } from "../words";
import { en } from "./words.en";
import { type AdminWords, zh } from "./words.zh";

export const ADMIN_WORDS = { zh, en };
export const words = computed<AdminWords>(() => ADMIN_WORDS[language.value]);
