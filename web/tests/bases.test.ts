import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import axe from "axe-core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Component } from "vue";
import BaseTools from "../src/admin/BaseTools.vue";
import Documents from "../src/admin/Documents.vue";
import type { Trial } from "../src/admin/knowledgeTypes";
import { trouble } from "../src/admin/poll";
import Synonyms from "../src/admin/Synonyms.vue";
import TrialCard from "../src/admin/TrialCard.vue";
import type { KeptBase, Pair } from "../src/admin/types";
import { ADMIN_WORDS } from "../src/admin/words";
import { chooseLanguage } from "../src/words";

const HAN = /[\u4e00-\u9fff]/;
const OFFICE = "/api/v1/knowledge/bases/office";
const base: KeptBase = {
  name: "office", title: "The office", languages: ["en"], pairs: 1_200, gaps: 34, documents: 2, version: 7, changed: null, answering: true,
};
let replies: Record<string, { status?: number; body: unknown }>;
let sent: { method: string; path: string; body: unknown }[];
let asked: string[];
let shown: VueWrapper | null = null;

beforeEach(() => {
  sent = [];
  asked = [];
  replies = {};
  vi.stubGlobal("confirm", (question: string) => asked.push(question) > 0);
  vi.stubGlobal("fetch", async (path: string, init: RequestInit = {}) => {
    const method = init.method ?? "GET";
    sent.push({ method, path, body: init.body ? JSON.parse(String(init.body)) : undefined });
    const { status = 200, body } = replies[`${method} ${path.split("?")[0]}`] ?? { body: {} };
    return new Response(JSON.stringify(body), { status });
  });
});

afterEach(() => {
  shown?.unmount();
  trouble.value = null;
  vi.unstubAllGlobals();
  document.body.innerHTML = "";
});

async function show(what: Component, props: object = {}): Promise<VueWrapper> {
  shown = mount(what, { props: props as never, attachTo: document.body }) as VueWrapper;
  await flushPromises();
  return shown;
}

async function press(card: VueWrapper, text: string): Promise<void> {
  const found = card.findAll("button").find((one) => one.text() === text);
  if (!found) throw new Error(`no button says ${text}: ${card.text()}`);
  await found.trigger("click");
  await flushPromises();
}

const writes = () => sent.filter(({ method }) => method !== "GET");

async function expectNoFault(card: VueWrapper): Promise<void> {
  const { violations } = await axe.run(card.element as HTMLElement, {
    rules: { "color-contrast": { enabled: false }, region: { enabled: false } },
  });
  expect(violations.map(({ id, nodes }) => `${id} ${nodes[0]?.html}`)).toEqual([]);
}

describe("a base", () => {
  it("is deleted after a question that names what goes, and that it is for good", async () => {
    chooseLanguage("en");
    replies[`DELETE ${OFFICE}`] = { body: { answers_from_samples: true } };
    const card = await show(BaseTools, { base, last: true });
    await press(card, "Delete the base");
    expect(asked[0]).toContain("1,234 questions, 2 documents");
    expect(asked[0]).toContain("cannot be undone");
    expect(asked[0]).toContain("shipped samples");
    expect(writes()[0]?.path).toBe(`${OFFICE}?expect_version=7`);
    expect(card.emitted("removed")?.[0]?.[0]).toContain(ADMIN_WORDS.en.kept.base.samples);
  });

  it("that is not the last one says nothing of samples, and stays where nobody agrees", async () => {
    chooseLanguage("zh");
    vi.stubGlobal("confirm", (question: string) => asked.push(question) < 0);
    const card = await show(BaseTools, { base: { ...base, version: null }, last: false });
    await press(card, "删除知识库");
    expect(asked[0]).not.toContain("示例");
    expect(writes()).toEqual([]);
  });

  it("is renamed, and says why not", async () => {
    chooseLanguage("zh");
    const error = { code: "InputError", message: "there is a base 'hall' already; choose another name" };
    replies[`PATCH ${OFFICE}`] = { status: 422, body: { error } };
    const card = await show(BaseTools, { base, last: false });
    await press(card, "改名");
    await card.get("[name=rename]").setValue("hall");
    await card.get("form").trigger("submit");
    await flushPromises();
    expect(card.get("[role=alert]").text()).toContain("已经有叫“hall”的知识库了");
    replies[`PATCH ${OFFICE}`] = { body: { name: "hall", title: "The office", copied_samples: false } };
    await card.get("form").trigger("submit");
    await flushPromises();
    expect(writes()[1]?.body).toEqual({ name: "hall", title: "The office" });
    expect(card.emitted("renamed")?.[0]).toEqual(["hall", ADMIN_WORDS.zh.kept.base.renamed]);
  });
});

describe("synonyms", () => {
  const path = `${OFFICE}/synonyms`;
  const props = { base: "office", version: 7, fixed: false };

  async function open(): Promise<VueWrapper> {
    chooseLanguage("en");
    replies[`GET ${path}`] = { body: { version: 7, groups: [["car", "vehicle"], ["fee", "price"]] } };
    replies[`PUT ${path}`] = { body: { copied_samples: false } };
    return show(Synonyms, props);
  }

  async function add(card: VueWrapper, line: string): Promise<void> {
    await card.get("[name=synonyms]").setValue(line);
    await card.get("form").trigger("submit");
    await flushPromises();
  }

  it("are added to and taken from the groups that are shown", async () => {
    const card = await open();
    await expectNoFault(card);
    await add(card, "permit, Card; permit");
    expect(writes()[0]).toMatchObject({ path: `${path}?expect_version=7`, body: { groups: [["car", "vehicle"], ["fee", "price"], ["permit", "Card"]] } });
    expect((card.get("[name=synonyms]").element as HTMLInputElement).value).toBe("");
    await card.get("[aria-label='Remove “car = vehicle”']").trigger("click");
    await flushPromises();
    expect(writes()[1]?.body).toEqual({ groups: [["fee", "price"]] });
    expect(card.emitted("told")).toHaveLength(2);
  });

  it("that make no group are refused beside what was written", async () => {
    const card = await open();
    const say = ADMIN_WORDS.en.kept.synonyms;
    for (const [line, told] of [
      ["one", say.few], ["same, SAME", say.few], ["Price, cost", "“Price” is in another group"], [`a, ${"b".repeat(101)}`, say.long],
    ] as const) {
      await add(card, line);
      expect(card.get("[role=alert]").text()).toContain(told);
      expect((card.get("[name=synonyms]").element as HTMLInputElement).value).toBe(line);
    }
    expect(writes()).toEqual([]);
  });

  it("keep what was written where somebody else was quicker", async () => {
    const card = await open();
    replies[`PUT ${path}`] = { status: 409, body: { error: { code: "VersionConflict", message: "it is at version 8" } } };
    await add(card, "permit, card");
    expect(card.get("[role=alert]").text()).toContain("Somebody else has just changed it");
    expect((card.get("[name=synonyms]").element as HTMLInputElement).value).toBe("permit, card");
    expect(sent.filter(({ method }) => method === "GET")).toHaveLength(2);
  });

  it("cannot be changed where the bases cannot", async () => {
    chooseLanguage("zh");
    replies[`GET ${path}`] = { body: { version: null, groups: [] } };
    const card = await show(Synonyms, { ...props, fixed: true });
    expect(card.find("form").exists()).toBe(false);
    expect(card.text()).toContain(ADMIN_WORDS.zh.kept.synonyms.none);
  });
});

describe("documents", () => {
  const id = "rules & fees/2026 #1.pdf";
  const coded = encodeURIComponent(id);

  it("are listed, read piece by piece and removed", async () => {
    chooseLanguage("en");
    replies[`GET ${OFFICE}/documents`] = {
      body: { version: 7, total: 1, documents: [{ id, title: "Rules <b>x</b>", language: "en", kind: "pdf", source: "", passages: 21, changed: "2026-01-01T00:00:00Z" }] },
    };
    const pieces = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => ({ number: from + i, text: `Text ${from + i}.`, place: "page 3", heading: "Fees" }));
    replies[`GET ${OFFICE}/passages/${coded}`] = { body: { total: 21, passages: pieces(0, 20) } };
    const card = await show(Documents, { base: "office", version: 7, fixed: false });
    expect(card.text()).toContain("Rules <b>x</b>");
    expect(card.text()).toMatch(/21 passages.*2026/);
    await press(card, "Read it");
    expect(card.findAll(".text")).toHaveLength(20);
    expect(card.text()).toContain("Fees · page 3");
    replies[`GET ${OFFICE}/passages/${coded}`] = { body: { total: 21, passages: pieces(20, 21) } };
    await press(card, "More");
    expect(sent.at(-1)?.path).toContain("offset=20");
    expect(card.findAll(".text").at(-1)?.text()).toBe("Text 20.");
    expect(card.text()).not.toContain("More");
    await expectNoFault(card);
    await press(card, "Remove");
    expect(asked[0]).toContain("It can be undone");
    expect(writes()[0]).toMatchObject({ method: "DELETE", path: `${OFFICE}/documents/${coded}?expect_version=7` });
    expect(card.emitted("told")).toHaveLength(1);
  });
});

describe("a question on trial", () => {
  const pair: Pair = {
    id: "fee", base: "office", language: "en", topic: "", question: "How much?", aliases: [], answer: "Ten yuan.", source: "", sample: false,
    emotion: "neutral", intensity: 0.3, valid_from: null, valid_to: null, attachments: [],
  };
  const trial: Trial = {
    question: "price", language: "en", outcome: "answer", said: "Ten yuan.", confidence: 0.91, threshold: 0.8, hint: 0.3, settled: true, writes: false,
    pairs: [{ confidence: 0.91, score: 28.31, pair }], passages: [{ score: 0.42, text: "It costs ten.", source: "Rules", place: "page 2" }],
  };

  async function ask(more: Partial<Trial>): Promise<VueWrapper> {
    replies["POST /api/v1/knowledge/trial"] = { body: { ...trial, ...more } };
    const card = await show(TrialCard);
    await card.get("[name=trial]").setValue(" price ");
    await card.get("form").trigger("submit");
    await flushPromises();
    return card;
  }

  it.each(["answer", "ask", "refusal"] as const)("says in both languages what came of it: %s", async (outcome) => {
    for (const language of ["zh", "en"] as const) {
      chooseLanguage(language);
      const card = await ask({ outcome });
      expect(writes().at(-1)?.body).toEqual({ question: "price" });
      expect(card.get(".tag").text()).toBe(ADMIN_WORDS[language].kept.trial.outcomes[outcome]);
      for (const part of ["91%", "80%", "30%", "28.3", "How much?", "It costs ten.", "42%", "Rules · page 2"]) expect(card.text()).toContain(part);
      expect(HAN.test(card.text())).toBe(language === "zh");
      expect(card.text()).not.toContain("{");
      await expectNoFault(card);
      card.unmount();
    }
  });

  it("is open where nothing is known, or a language model would write it", async () => {
    chooseLanguage("en");
    const say = ADMIN_WORDS.en.kept.trial;
    const card = await ask({ outcome: "refusal", said: null, writes: true, pairs: [], passages: [], threshold: null, hint: null, confidence: 0, settled: false });
    for (const told of [say.writes, say.noPairs, say.noPassages, say.noLimits, say.unsettled]) expect(card.text()).toContain(told);
  });

  it("says why it cannot be asked", async () => {
    chooseLanguage("zh");
    replies["POST /api/v1/knowledge/trial"] = { status: 503, body: { error: { code: "Busy", message: "32 requests wait already" } } };
    const card = await show(TrialCard);
    await card.get("[name=trial]").setValue("价格");
    await card.get("form").trigger("submit");
    await flushPromises();
    expect(card.get("[role=alert]").text()).toContain("现在很忙");
  });
});
