/** The states that a page can be in, each brought about as a server would. */
import { type Detail, sayDetail } from "../src/live/details";
import type { Check, Language } from "../src/live/types";
import type { Persona, TimedText } from "../src/protocol";
import type { ScriptedClient } from "./scripted";

const found = (step: Check["step"], outcome: Check["outcome"], ...details: Detail[]): Check => ({
  step,
  outcome,
  detail: details.map((one) => sayDetail(one)).join("; "),
  details,
});

export const PERSONA: Persona = {
  name: { zh: "小惠", en: "Xiaohui" },
  greeting: {},
};
/** Scenes in which somebody is named. */
export const NAMED = ["named", "greeting", "greeted", "long", "forgotten"];

const TEXTS = {
  zh: {
    question: "办身份证要带什么材料？",
    partial: "办身份证要带什么",
    sentences: [
      "办理居民身份证，请带好户口簿原件，到一楼大厅的综合窗口取号。",
      "未满十六周岁的，由监护人陪同办理，并出示监护人的身份证。",
    ],
    source: "居民身份证办理指南",
    unsure: "想问的是下面哪一个？",
    candidates: ["身份证丢了怎么补办？", "身份证到期了怎么换？", "可以代办身份证吗？"],
    greeting: "您好，我是小惠，由人工智能驱动。请问您要办什么事？",
    later: "那要等多久才能拿到新的身份证？",
    message: "the voice zf_xiaoxiao did not answer within 10 s; try again",
  },
  en: {
    question: "What do I bring to get an identity card?",
    partial: "What do I bring to get an",
    sentences: [
      "Please bring your household register and take a number at the counter on the ground floor.",
      "Those under sixteen come with a parent or guardian, who shows an identity card as well.",
    ],
    source: "Guide to identity cards",
    unsure: "Which of these do you mean?",
    candidates: ["How do I replace a lost identity card?", "How do I renew an identity card?", "Can somebody else collect it for me?"],
    greeting: "Hello, I am Xiaohui, and I am an AI. What can I do for you?",
    later: "And how long does it take until I get the new card?",
    message: "the voice af_heart did not answer within 10 s; try again",
  },
};

const LONG = "The Municipal Services Information Desk of the Old Town Hall";

/** Words of a sentence at an even pace, as a voice would time them. */
export function timeWords(text: string, from: number, language: Language): TimedText[] {
  const found =
    language === "zh"
      ? [...new Intl.Segmenter("zh", { granularity: "word" }).segment(text)]
          .filter((one) => one.isWordLike)
          .map((one) => one.segment)
      : text.split(/\s+/).map((word) => word.replace(/[.,]$/, ""));
  return found.map((word, i) => ({ text: word, start: from + i * 0.3, end: from + i * 0.3 + 0.28 }));
}

export async function play(client: ScriptedClient, scene: string, language: Language): Promise<void> {
  const text = TEXTS[language];
  const [first, second] = text.sentences as [string, string];

  function asked(): void {
    client.send({ type: "turn.started", turn: 1, kind: "text", text: text.question });
    client.send({ type: "session.state", turn: 1, state: "thinking" });
  }

  function speak(): void {
    asked();
    client.send({
      type: "answer.sources",
      turn: 1,
      outcome: "answer",
      confidence: 0.93,
      sources: [
        {
          title: text.source,
          url: "https://example.org/guide",
          question: text.question,
          attachments: [{ kind: "phone", value: "12345", label: "" }],
        },
        { title: "faq-2026.csv", url: "", question: text.question, attachments: [] },
      ],
      candidates: [],
    });
    client.send({ type: "session.state", turn: 1, state: "speaking" });
    client.send({ type: "sentence.started", turn: 1, index: 0, text: first, language, emotion: "neutral", intensity: 0.5 });
    client.send({ type: "speech.marks", turn: 1, index: 0, words: timeWords(first, 0, language), visemes: [] });
    client.clock = 1.7;
  }

  function answer(): void {
    speak();
    client.clock = 6;
    client.send({ type: "sentence.started", turn: 1, index: 1, text: second, language, emotion: "neutral", intensity: 0.5 });
    client.send({ type: "latency", turn: 1, mark: "first_sound", seconds: 0.84 });
    client.send({ type: "latency", turn: 1, mark: "first_picture", seconds: 0.86 });
    client.send({ type: "turn.ended", turn: 1, reason: "complete", heard: first + second });
    client.send({ type: "session.state", turn: 1, state: "idle" });
  }

  function greet(): void {
    client.send({ type: "turn.started", turn: 1, kind: "greeting", text: "" });
    client.send({ type: "session.state", turn: 1, state: "speaking" });
    client.send({ type: "sentence.started", turn: 1, index: 0, text: text.greeting, language, emotion: "neutral", intensity: 0.5 });
    client.send({ type: "speech.marks", turn: 1, index: 0, words: timeWords(text.greeting, 0, language), visemes: [] });
    client.clock = 1.7;
  }

  if (NAMED.includes(scene)) client.persona = PERSONA;
  if (scene === "long") client.persona = { ...PERSONA, name: { zh: LONG, en: LONG } };
  switch (scene) {
    case "full":
      client.refuse = { code: "full", message: "", retryAfter: 20 };
      break;
    case "unreachable":
      client.refuse = { code: "unreachable", message: "" };
      break;
    case "token":
      client.refuse = { code: "token", message: "" };
      break;
    case "refused":
      client.refuse = { code: "failed", error: "StoreUnavailable", message: text.message };
      break;
  }
  if (scene === "start" || scene === "named") return;
  await client.connect({ language }).catch(() => undefined);
  switch (scene) {
    case "connecting":
      client.become({ phase: "connecting" });
      break;
    case "listening":
      client.send({ type: "session.state", state: "listening" });
      client.send({ type: "transcript.partial", text: text.partial, language });
      client.loudness = 0.6;
      break;
    case "open":
      client.loudness = 0.5;
      await client.setMicrophone("open");
      client.send({ type: "session.state", state: "listening" });
      client.send({ type: "transcript.partial", text: text.partial, language });
      break;
    case "thinking":
      asked();
      break;
    case "speaking":
      speak();
      break;
    case "greeting":
      greet();
      break;
    case "greeted":
    case "long":
      greet();
      client.clock = 6;
      client.send({ type: "turn.ended", turn: 1, reason: "complete", heard: text.greeting });
      client.send({ type: "session.state", turn: 1, state: "idle" });
      break;
    case "answer":
    case "rated":
      answer();
      break;
    case "choice":
      asked();
      client.send({ type: "answer.sources", turn: 1, outcome: "choice", confidence: 0.4, sources: [], candidates: text.candidates });
      client.send({ type: "session.state", turn: 1, state: "speaking" });
      client.send({ type: "sentence.started", turn: 1, index: 0, text: text.unsure, language, emotion: "neutral", intensity: 0.5 });
      client.send({ type: "turn.ended", turn: 1, reason: "complete", heard: text.unsure });
      client.send({ type: "session.state", turn: 1, state: "idle" });
      break;
    case "failure":
      asked();
      client.send({ type: "error", turn: 1, code: "StageError", message: text.message, retryable: true });
      client.send({ type: "turn.ended", turn: 1, reason: "failed", heard: "" });
      client.send({ type: "session.state", turn: 1, state: "idle" });
      break;
    case "denied":
      client.complain({ code: "microphone_denied", message: "" });
      break;
    case "playback":
      client.complain({ code: "playback", message: "" });
      break;
    case "reconnecting":
      answer();
      client.become({ phase: "reconnecting", transport: null });
      break;
    case "waiting":
      answer();
      client.become({ phase: "reconnecting", transport: null });
      client.ask(text.later);
      break;
    case "openaway":
      await client.setMicrophone("open");
      client.become({ phase: "reconnecting", transport: null });
      break;
    case "restoring":
      client.become({ phase: "restoring", transport: null });
      break;
    case "blind":
      client.become({ phase: "restoring", transport: null, problem: { code: "media", message: "" } });
      break;
    case "unsent":
      answer();
      client.become({ phase: "reconnecting", transport: null });
      client.ask(text.later);
      client.become({ phase: "ended", problem: { code: "ended", message: "", reason: "vanished" } });
      break;
    case "ended":
      answer();
      client.become({ phase: "ended", transport: null, problem: { code: "ended", message: "", reason: "idle" } });
      break;
    case "settings":
    case "history":
    case "forgotten":
      answer();
      break;
    case "check":
      client.checks = [
        found("server", "ok"),
        found("token", "ok"),
        found("events", "ok", { code: "answered_in", values: { ms: 12 } }),
        found(
          "webrtc",
          "failed",
          { code: "no_way", values: {} },
          {
            code: "server_cannot_use",
            values: { url: "turn:turn.example.org:3478?transport=udp" },
            why: { code: "turn_credentials", values: { status: 401, reason: "Unauthorized" } },
          },
        ),
        found("turn", "skipped", { code: "no_turn", values: {} }),
        found("media", "ok", { code: "sound_in", values: { codec: "Opus", ms: 21 } }),
        found("microphone", "failed", { code: "microphone_denied", values: {} }),
        found("playback", "ok"),
      ];
      break;
  }
}
