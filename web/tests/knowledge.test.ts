import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import axe from "axe-core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { draftOf, tidyDraft } from "../src/admin/drafts";
import Gaps from "../src/admin/Gaps.vue";
import Knowledge from "../src/admin/Knowledge.vue";
import PairForm from "../src/admin/PairForm.vue";
import { trouble } from "../src/admin/poll";
import type { Gap, Keeping, Pair } from "../src/admin/types";
import { ADMIN_WORDS } from "../src/admin/words";
import { chooseLanguage } from "../src/words";

const HAN = /[\u4e00-\u9fff]/;
const KEYS = ["a".repeat(32), "b".repeat(32)];
const gap: Gap = {
  question: "Can dogs come in?", keys: KEYS, wordings: ["May my dog come?"], count: 3, first: 1, last: 2, nearest: "",
  confidence: 0.2, languages: ["en"],
};
const pair: Pair = {
  id: "fee", base: "office_en", language: "en", topic: "fees", question: "How much?", aliases: ["What does it cost?"],
  answer: "Ten yuan.", source: "Guide", sample: false, emotion: "happy", intensity: 0.6, valid_from: "2026-01-01",
  valid_to: null, attachments: [{ kind: "phone", value: "12345", label: "" }],
};
const stored = (name: string, languages: string[]) => ({
  name, title: "", languages, pairs: 4, gaps: 1, documents: 0, version: 7, changed: "2026-01-01T00:00:00Z", answering: true,
});
let keeping: Keeping;
let replies: Record<string, { status?: number; body: unknown }>;
let sent: { method: string; path: string; body: unknown }[];
let shown: VueWrapper | null = null;

beforeEach(() => {
  keeping = { where: "/data/knowledge.db", stored: true, problem: "", bases: [stored("office_zh", ["zh"]), stored("office_en", ["en"])], largest_table: 64e6, largest_document: 100e6 };
  sent = [];
  replies = {};
  vi.stubGlobal("confirm", () => true);
  vi.stubGlobal("fetch", async (path: string, init: RequestInit = {}) => {
    const method = init.method ?? "GET";
    sent.push({ method, path, body: init.body ? JSON.parse(String(init.body)) : undefined });
    const known: Record<string, unknown> = {
      "/api/v1/knowledge/store": keeping,
      "/api/v1/admin/unanswered": { verdict: "open", records: "all", gaps: [gap] },
      "/api/v1/knowledge/bases/office_zh/entries": { version: 7, total: 0, topics: [], pairs: [] },
      "/api/v1/knowledge/bases/office_en/entries": { version: 7, total: 1, topics: ["fees"], pairs: [pair] },
      "/api/v1/knowledge/bases/office_zh/versions": { version: 7, versions: [] },
      "/api/v1/knowledge/bases/office_en/versions": {
        version: 7,
        versions: [7, 6].map((number) => ({
          number, when: "2026-01-01T00:00:00Z", author: "operator", note: "a note", added: 1, changed: 2, removed: 0, undoes: null,
        })),
      },
    };
    const bare = path.split("?")[0] ?? "";
    const { status = 200, body } = replies[`${method} ${bare}`] ?? { body: known[bare] };
    return new Response(JSON.stringify(body ?? {}), { status });
  });
});

afterEach(() => {
  shown?.unmount();
  trouble.value = null;
  vi.unstubAllGlobals();
  document.body.innerHTML = "";
});

async function show(what: typeof Gaps | typeof Knowledge): Promise<VueWrapper> {
  shown = mount(what as typeof Gaps, { attachTo: document.body });
  await flushPromises();
  return shown;
}

const button = (page: VueWrapper, text: string) => {
  const found = page.findAll("button").find((one) => one.text() === text);
  if (!found) throw new Error(`no button says ${text}`);
  return found;
};
const written = (page: VueWrapper, name: string) => page.get(`[name=${name}]`);
const writes = () => sent.filter(({ method }) => method !== "GET");

async function answerGap(body: unknown, status = 201): Promise<VueWrapper> {
  chooseLanguage("en");
  replies[`POST /api/v1/admin/gaps/${KEYS[0]}/answer`] = { status, body };
  const page = await show(Gaps);
  await button(page, "Answer it").trigger("click");
  await flushPromises();
  await written(page, "answer").setValue("Small ones.");
  await page.get("form").trigger("submit");
  await flushPromises();
  return page;
}

describe("an unanswered question", () => {
  it("is answered in one step, in the base of its language", async () => {
    const page = await answerGap({ marked: true, searched: true, copied_samples: false, problem: "" });
    expect(writes()).toHaveLength(1);
    expect(writes()[0]?.body).toMatchObject({
      question: gap.question, answer: "Small ones.", aliases: gap.wordings, base: "office_en", keys: [KEYS[1]],
      valid_from: null, attachments: [],
    });
    expect(page.find(".gap").exists()).toBe(false);
    expect(page.get("[role=status]").text()).toBe(ADMIN_WORDS.en.gaps.answered);
  });

  it("stays in the list where it could not be marked, and says why", async () => {
    const page = await answerGap({ marked: false, searched: true, copied_samples: true, problem: "the disk is full" });
    expect(page.find(".gap").exists()).toBe(true);
    expect(page.find("form").exists()).toBe(false);
    const said = page.get("[role=status]").text();
    expect(said).toContain("the disk is full");
    expect(said).toContain(ADMIN_WORDS.en.knowledge.copied);
  });

  it("keeps what was written where the server refuses it", async () => {
    const error = { code: "Conflict", message: "the base has this question already" };
    const page = await answerGap({ error }, 409);
    expect(page.get("form [role=alert]").text()).toContain("the base has this question already");
    expect((written(page, "answer").element as HTMLTextAreaElement).value).toBe("Small ones.");
    expect(trouble.value).toBeNull();
  });

  it("cannot be answered where the bases are not to be changed", async () => {
    chooseLanguage("zh");
    keeping.problem = "these are files";
    const page = await show(Gaps);
    await button(page, "回答它").trigger("click");
    await flushPromises();
    expect(page.find("form").exists()).toBe(false);
    expect(page.text()).toContain("这里不能修改：these are files");
  });
});

describe("the bases", () => {
  it("are told in both languages, without a fault for axe", async () => {
    for (const language of ["zh", "en"] as const) {
      chooseLanguage(language);
      keeping.stored = language === "zh";
      const page = await show(Knowledge);
      await button(page, ADMIN_WORDS[language].knowledge.add).trigger("click");
      await button(page, ADMIN_WORDS[language].pair.attach).trigger("click");
      expect(page.text().includes("/data/knowledge.db")).toBe(language === "en");
      expect(HAN.test(page.text())).toBe(language === "zh");
      expect(page.text()).not.toContain("{");
      const { violations } = await axe.run(page.element as HTMLElement, {
        rules: { "color-contrast": { enabled: false }, region: { enabled: false } },
      });
      expect(violations.map(({ id }) => id)).toEqual([]);
      page.unmount();
    }
  });

  async function openEnglish(): Promise<VueWrapper> {
    chooseLanguage("en");
    const page = await show(Knowledge);
    await page.findAll(".base")[1]?.trigger("click");
    await flushPromises();
    return page;
  }

  it("let a pair be edited, with all that it has", async () => {
    const place = "/api/v1/knowledge/bases/office_en/pairs/fee";
    replies[`PUT ${place}`] = { body: { searched: false, copied_samples: false } };
    const page = await openEnglish();
    await button(page, "Edit").trigger("click");
    expect(page.get("details").attributes("open")).toBeDefined();
    await written(page, "answer").setValue("Twelve yuan.");
    await page.get(".pair form").trigger("submit");
    await flushPromises();
    const { id: _id, base: _base, language: _language, ...rest } = pair;
    expect(writes()).toEqual([
      { method: "PUT", path: `${place}?language=en&expect_version=7`, body: { ...rest, answer: "Twelve yuan." } },
    ]);
    expect(page.text()).toContain(ADMIN_WORDS.en.knowledge.savedLater);
    expect(page.find(".pair form").exists()).toBe(false);
  });

  it("let a pair be removed, and a change be undone or restored", async () => {
    const base = "/api/v1/knowledge/bases/office_en";
    const page = await openEnglish();
    await button(page, "Remove").trigger("click");
    await flushPromises();
    await button(page, "Export and changes").trigger("click");
    await flushPromises();
    await button(page, "Undo the last change").trigger("click");
    await flushPromises();
    await button(page, "Restore version 6").trigger("click");
    await flushPromises();
    expect(writes().map(({ method, path }) => `${method} ${path}`)).toEqual([
      `DELETE ${base}/pairs/fee?language=en&expect_version=7`,
      `POST ${base}/undo?expect_version=7`,
      `POST ${base}/restore?expect_version=7`,
    ]);
    expect(writes()[2]?.body).toEqual({ version: 6 });
  });

  it("go on with an import that began before the page was opened", async () => {
    chooseLanguage("en");
    const begun = {
      id: KEYS[0], base: "office_en", file: "big.csv", options: { replace: false }, state: "writing", done: 4, total: 8, report: null, problem: null,
      searched: false,
    };
    replies["GET /api/v1/knowledge/imports"] = { body: { imports: [{ ...begun, state: "done", id: KEYS[1] }, begun] } };
    const page = await show(Knowledge);
    await flushPromises();
    expect(page.text()).toContain("Writing · big.csv");
    expect(page.get("progress").attributes("value")).toBe("0.5");
  });

  it("keep what was chosen for an import while it is out of sight", async () => {
    const page = await openEnglish();
    const opener = button(page, ADMIN_WORDS.en.kept.imports.open);
    await opener.trigger("click");
    expect((page.get("[name=into]").element as HTMLSelectElement).value).toBe("office_en");
    await page.get("[name=into]").setValue("office_zh");
    await button(page, ADMIN_WORDS.en.kept.imports.close).trigger("click");
    expect(document.activeElement).toBe(opener.element);
    expect(page.get("[name=into]").isVisible()).toBe(false);
    await opener.trigger("click");
    expect((page.get("[name=into]").element as HTMLSelectElement).value).toBe("office_zh");
  });

  it("show documents, synonyms and what can be done with the whole, and what was searched for again", async () => {
    replies["GET /api/v1/knowledge/bases/office_en/documents"] = { body: { version: 7, total: 0, documents: [] } };
    replies["GET /api/v1/knowledge/bases/office_en/synonyms"] = { body: { version: 7, groups: [["car", "vehicle"]] } };
    const page = await openEnglish();
    const parts = ADMIN_WORDS.en.kept.parts;
    await page.get("[type=search]").setValue("fee");
    for (const [part, told] of [
      [parts.documents, ADMIN_WORDS.en.kept.documents.none], [parts.synonyms, "vehicle"], [parts.changes, "Rename"],
    ] as const) {
      await button(page, part).trigger("click");
      await flushPromises();
      expect(page.text()).toContain(told);
      expect(button(page, part).attributes("aria-pressed")).toBe("true");
    }
    expect(page.findAll("a[download]").map((one) => one.attributes("href"))).toContain(
      "/api/v1/knowledge/bases/office_en/export?format=xlsx",
    );
    await button(page, parts.pairs).trigger("click");
    expect((page.get("[type=search]").element as HTMLInputElement).value).toBe("fee");
  });

  it("show a conflict beside what was written", async () => {
    const error = { code: "VersionConflict", message: "it is at version 8" };
    replies["PUT /api/v1/knowledge/bases/office_en/pairs/fee"] = { status: 409, body: { error } };
    const page = await openEnglish();
    await button(page, "Edit").trigger("click");
    await written(page, "answer").setValue("Twelve yuan.");
    await page.get(".pair form").trigger("submit");
    await flushPromises();
    expect(page.get(".pair [role=alert]").text()).toContain("Somebody else has just changed it");
    expect((written(page, "answer").element as HTMLTextAreaElement).value).toBe("Twelve yuan.");
  });
});

describe("what is written of a pair", () => {
  it("is all of it, and nothing of where it stands", () => {
    const { id: _id, base: _base, language: _language, ...rest } = pair;
    expect(draftOf(pair)).toEqual(rest);
    expect(draftOf({ ...pair, answer: "" }).answer).toBeNull();
  });

  it("has no empty lines, days or attachments", () => {
    const tidy = tidyDraft({
      ...draftOf(pair), aliases: [" a ", "", " "], valid_from: "", attachments: [{ kind: "link", value: " ", label: "x" }],
    });
    expect(tidy).toMatchObject({ aliases: ["a"], valid_from: null, valid_to: null, attachments: [] });
  });

  it("may be that there is no answer", async () => {
    const form = mount(PairForm, { props: { draft: draftOf(pair), base: "x", busy: false, refusal: "" } });
    await form.get("[name=answer]").setValue(" ");
    await form.trigger("submit");
    expect(form.emitted("save")).toBeUndefined();
    await form.get("[name=none]").setValue(true);
    await form.trigger("submit");
    expect(form.emitted("save")?.[0]?.[0]).toMatchObject({ answer: null, question: "How much?" });
  });
});
