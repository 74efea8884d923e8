/** Shows one scene: `?scene=speaking&language=zh&theme=dark`. */
import { createApp, nextTick } from "vue";
import App from "../src/App.vue";
import "../src/design/base.css";
import { applyTheme, chooseTheme } from "../src/design/theme";
import type { Language } from "../src/live/types";
import { chooseLanguage, markDocument } from "../src/words";
import face from "./face.jpg";
import idle from "./idle.jpg";
import adam from "./adam.jpg";
import ruth from "./ruth.jpg";
import { NAMED, PERSONA, play } from "./scenes";
import { ScriptedClient } from "./scripted";

const query = new URLSearchParams(location.search);
const language = (query.get("language") ?? "zh") as Language;
const scene = query.get("scene") ?? "start";
chooseLanguage(language);
chooseTheme((query.get("theme") ?? "light") as "light" | "dark");
applyTheme();
markDocument();

const SUGGESTIONS = {
  zh: ["办身份证要带什么材料？", "几点下班？", "在哪里取号？"],
  en: ["What do I bring?", "When do you close?", "Where do I take a number?"],
};
const VOICES = ["zf_xiaoxiao", "zm_yunjian", "zf_xiaobei", "zm_yunxi", "af_heart", "am_michael", "bf_emma"];
const PICTURES: Record<string, string> = { mei: idle, adam, ruth };

const answers: Record<string, unknown> = {
  "/api/v1/avatars": {
    avatars: Object.keys(PICTURES).map((name) => ({
      name,
      default: name === "mei",
      picture: `/api/v1/avatars/${name}/picture.jpg`,
    })),
  },
  "/api/v1/voices": {
    voices: VOICES.map((name) => ({
      name,
      languages: name.startsWith("z") ? ["zh", "en"] : ["en", "zh"],
      gender: name[1] === "f" ? "female" : "male",
    })),
  },
  "/api/v1/persona": { persona: NAMED.includes(scene) ? PERSONA : null },
  "/api/v1/privacy": { records: "unanswered", sound: false, retention_days: 90 },
  "/api/v1/suggestions": { language, questions: SUGGESTIONS[language] },
};
window.fetch = async (input) => {
  const path = new URL(String(input), location.href).pathname;
  return path in answers ? Response.json(answers[path]) : new Response(null, { status: 404 });
};
// Pictures are asked for by their address in the API; here they lie beside the script.
const source = Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, "src");
Object.defineProperty(HTMLImageElement.prototype, "src", {
  ...source,
  set(this: HTMLImageElement, value: string) {
    const name = /avatars\/(\w+)\/picture/.exec(value)?.[1];
    source?.set?.call(this, (name && PICTURES[name]) ?? value);
  },
});
const setAttribute = HTMLImageElement.prototype.setAttribute;
HTMLImageElement.prototype.setAttribute = function (name: string, value: string) {
  if (name === "src") this.src = value;
  else setAttribute.call(this, name, value);
};

const picture = new Image();
picture.src = scene === "speaking" ? face : idle;
await picture.decode();
const canvas = document.createElement("canvas");
canvas.width = canvas.height = 512;
const context = canvas.getContext("2d");
setInterval(() => context?.drawImage(picture, 0, 0, 512, 512), 40);

const client = new ScriptedClient(() => canvas.captureStream(25));
createApp(App, { client }).mount("#app");
Object.assign(window, { client });
await nextTick();
await play(client, scene, language);
await new Promise((done) => setTimeout(done, 300));
if (scene === "rated") document.querySelector<HTMLButtonElement>(".thumbs button")?.click();
if (scene === "settings") document.querySelector<HTMLButtonElement>("nav .round:last-child")?.click();
if (scene === "history" || scene === "forgotten") document.querySelector<HTMLButtonElement>(".history")?.click();
if (scene === "forgotten") {
  await new Promise((done) => setTimeout(done, 100));
  document.querySelector<HTMLButtonElement>("dialog .clear button")?.click();
}
if (scene === "check") {
  document.querySelector<HTMLButtonElement>("nav .round:last-child")?.click();
  await new Promise((done) => setTimeout(done, 300));
  document.querySelector<HTMLElement>("summary")?.click();
  document.querySelector<HTMLButtonElement>(".check button")?.click();
  await new Promise((done) => setTimeout(done, 200));
  document.querySelector(".check")?.scrollIntoView({ block: "end" });
}
document.documentElement.dataset.ready = "yes";
