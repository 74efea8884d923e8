import { flushPromises, mount, type VueWrapper } from "@vue/test-utils";
import axe from "axe-core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { splitWords, tellKind } from "../src/admin/files";
import ImportCard from "../src/admin/ImportCard.vue";
import { sayPlace, sayProblem } from "../src/admin/importProblems";
import type { ImportReport, ImportView } from "../src/admin/knowledgeTypes";
import { trouble } from "../src/admin/poll";
import type { Keeping } from "../src/admin/types";
import { ADMIN_WORDS } from "../src/admin/words";
import { chooseLanguage } from "../src/words";

const HAN = /[\u4e00-\u9fff]/;
const ROOT = "/api/v1/knowledge";
const ID = "a".repeat(32);
const keeping: Keeping = {
  where: "/data/knowledge.db", stored: true, problem: "", largest_table: 2_000, largest_document: 5_000,
  bases: [
    { name: "office", title: "The office", languages: ["en"], pairs: 4, gaps: 0, documents: 0, version: 7, changed: null, answering: true },
  ],
};
const report: ImportReport = {
  base: "office", dry_run: true, kind: "pairs", version: 7, new_base: false, copied_samples: false, encoding: "GB18030", title: "",
  language: null, read: 3, added: 2, changed: 1, unchanged: 5, removed: 0, errors: 1,
  problems: [
    { place: "row 4", what: "the answer is empty; write one; null or - says that there is none", kind: "error" },
    { place: "row 1", what: "not known and not read: the column 'colour'; known are id, question", kind: "note" },
  ],
  duplicate_rows: 1, duplicates: [{ place: "row 6", first: "row 2", question: "Who?" }],
};
const view = (state: ImportView["state"], more: Partial<ImportView> = {}): ImportView => ({
  id: ID, base: "office", file: "a.csv", options: { replace: false }, state, done: 0, total: 0, report: null, problem: null,
  searched: false, ...more,
});
let sent: { method: string; path: string }[];
let states: ImportView[];
let replies: Record<string, { status: number; body: unknown }>;
let forms: FormData[];
let shown: VueWrapper | null = null;

/** Sends at once, or when it is told to. */
class Sending {
  static now: Sending;
  static held = false;
  upload: { onprogress?: (event: object) => void } = {};
  status = 202;
  responseText = "";
  onload = () => undefined as void;
  onabort = () => undefined as void;
  onerror = () => undefined as void;
  open(method: string, path: string): void {
    sent.push({ method, path });
    const reply = replies[`${method} ${path}`];
    this.status = reply?.status ?? 202;
    this.responseText = JSON.stringify(reply?.body ?? view("waiting"));
  }
  send(form: FormData): void {
    forms.push(form);
    Sending.now = this;
    this.upload.onprogress?.({ lengthComputable: true, loaded: 1, total: 4 });
    if (!Sending.held) this.onload();
  }
  abort(): void {
    this.onabort();
  }
}

beforeEach(() => {
  sent = [];
  states = [];
  forms = [];
  replies = {};
  Sending.held = false;
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  vi.stubGlobal("XMLHttpRequest", Sending);
  vi.stubGlobal("fetch", async (path: string, init: RequestInit = {}) => {
    const method = init.method ?? "GET";
    sent.push({ method, path });
    const bare = path.split("?")[0] ?? "";
    const { status = 200, body } = replies[`${method} ${bare}`] ?? {
      body: method === "GET" ? (states.length > 1 ? states.shift() : states[0]) : view("waiting"),
    };
    return new Response(JSON.stringify(body ?? {}), { status });
  });
});

afterEach(() => {
  shown?.unmount();
  trouble.value = null;
  vi.useRealTimers();
  vi.unstubAllGlobals();
  document.body.innerHTML = "";
});

function open(begun: ImportView | null = null): VueWrapper {
  shown = mount(ImportCard, { props: { keeping, base: "office", begun }, attachTo: document.body });
  return shown;
}

async function choose(card: VueWrapper, name: string, size = 100): Promise<void> {
  const field = card.get("[type=file]");
  Object.defineProperty(field.element, "files", { value: [new File(["x".repeat(size)], name)], configurable: true });
  await field.trigger("change");
}

async function press(card: VueWrapper, text: string): Promise<void> {
  const found = card.findAll("button").find((one) => one.text() === text);
  if (!found) throw new Error(`no button says ${text}: ${card.text()}`);
  await found.trigger("click");
  await flushPromises();
}

async function look(card: VueWrapper): Promise<void> {
  await card.get("form").trigger("submit");
  await flushPromises();
  await wait();
}

async function wait(): Promise<void> {
  await vi.advanceTimersByTimeAsync(500);
  await flushPromises();
}

const writes = () => sent.filter(({ method }) => method !== "GET").map(({ method, path }) => `${method} ${path}`);

describe("an import", () => {
  it("is looked at, written and undone", async () => {
    chooseLanguage("en");
    const say = ADMIN_WORDS.en.kept.imports;
    states = [view("reading", { done: 2000 }), view("ready", { report })];
    const card = open();
    await choose(card, "a.csv");
    await look(card);
    expect(card.text()).toContain("2,000 rows read");
    await wait();
    expect(card.get(".figures").text()).toContain("2");
    expect(card.text()).toContain("the answer is empty");
    expect(writes()).toEqual([`POST ${ROOT}/bases/office/imports`]);
    expect([...(forms[0]?.keys() ?? [])]).toEqual(["create", "replace", "file"]);

    const done = { ...report, dry_run: false, version: 8 };
    states = [view("writing", { done: 1, total: 3 }), view("done", { report: done }), view("done", { report: done, searched: true })];
    await press(card, say.write);
    await wait();
    expect(card.get("progress").attributes("value")).toBe(String(1 / 3));
    expect(card.emitted("written")).toBeUndefined();
    await wait();
    expect(card.emitted("written")).toEqual([["office"]]);
    expect(card.text()).toContain(say.searchedLater);
    await wait();
    expect(card.text()).toContain(say.searched);

    await card.setProps({ keeping: { ...keeping, bases: keeping.bases.map((one) => ({ ...one, version: 8 })) } });
    await press(card, say.undo);
    expect(card.text()).toContain(say.undone);
    expect(writes().slice(1)).toEqual([
      `POST ${ROOT}/imports/${ID}/write?expect_version=7`,
      `POST ${ROOT}/bases/office/undo?expect_version=8`,
    ]);
  });

  it("offers no undo once somebody else has changed the base", async () => {
    chooseLanguage("en");
    states = [view("done", { report: { ...report, version: 8 }, searched: true })];
    const card = open(view("writing"));
    await wait();
    expect(card.text()).toContain("is imported");
    expect(card.text()).not.toContain(ADMIN_WORDS.en.kept.imports.undo);
  });

  it("says what it is good for: a document is found, a base that rests answers nothing", async () => {
    chooseLanguage("en");
    const say = ADMIN_WORDS.en.kept.imports;
    const done = { ...report, kind: "document" as const, title: "Rules", language: "en", version: 8 };
    states = [view("done", { report: done, searched: true })];
    const card = open(view("writing"));
    await wait();
    expect(card.text()).toContain("“Rules” (English), in 3 passages");
    expect(card.text()).toContain(say.found);
    await card.setProps({ keeping: { ...keeping, bases: keeping.bases.map((one) => ({ ...one, answering: false })) } });
    expect(card.text()).toContain(say.resting);
    expect(card.text()).not.toContain(say.found);
  });

  it("refuses by itself what is too large or of no known kind", async () => {
    chooseLanguage("zh");
    const card = open();
    for (const [name, size, told] of [
      ["a.csv", 2_001, "2 千字节"], ["photo.gif", 10, "不能导入这种文件"], ["a.pdf", 5_001, "超过了"],
    ] as const) {
      await choose(card, name, size);
      expect(card.get("[role=alert]").text(), name).toMatch(name === "a.csv" ? /超过了/ : told);
      expect(card.get("[type=submit]").attributes("disabled"), name).toBeDefined();
    }
    await choose(card, "b.pdf", 4_000);
    expect(card.find("[role=alert]").exists()).toBe(false);
  });

  it("asks what a Markdown file holds, and wants a name of a new base that can be one", async () => {
    chooseLanguage("en");
    states = [view("ready", { report })];
    const card = open();
    await choose(card, "a.md");
    await card.get("[name=kind]").setValue("document");
    await card.get("[name=into]").setValue(" new");
    const name = card.get("[name=new-base]");
    for (const wrong of ["../x", "A", ".x", " "]) {
      await name.setValue(wrong);
      expect(card.get("[type=submit]").attributes("disabled"), wrong).toBeDefined();
    }
    await name.setValue("pool");
    await look(card);
    expect(writes()).toEqual([`POST ${ROOT}/bases/pool/imports`]);
    expect(forms[0]?.get("kind")).toBe("document");
    expect(forms[0]?.get("replace")).toBe("false");
  });

  it("says in the page's language why a file cannot be read", async () => {
    chooseLanguage("zh");
    states = [view("failed", { problem: { code: "FileUnreadable", message: "a.csv is empty; write question-answer pairs into it" } })];
    const card = open();
    await choose(card, "a.csv");
    await look(card);
    expect(card.get("[role=alert]").text()).toContain("文件是空的，请写上问答");
    expect((card.get("[type=file]").element as HTMLInputElement).files ?? []).toHaveLength(0);
    expect(card.get("[type=submit]").attributes("disabled")).toBeDefined();
  });

  it("asks for a file anew that was changed since it was chosen", async () => {
    chooseLanguage("en");
    const card = open();
    await choose(card, "a.csv");
    const chosen = (card.get("[type=file]").element as HTMLInputElement).files?.[0] as File;
    chosen.slice = () => ({ arrayBuffer: () => Promise.reject(new Error("NotReadableError")) }) as unknown as Blob;
    await look(card);
    expect(card.get("[role=alert]").text()).toBe(ADMIN_WORDS.en.kept.imports.moved);
    expect(writes()).toEqual([]);
  });

  it("tells a refusal of the upload, even one that is no JSON", async () => {
    chooseLanguage("en");
    replies[`POST ${ROOT}/bases/office/imports`] = {
      status: 413, body: { error: { code: "BodyTooLarge", message: "the body has more than 200 MB; send less" } },
    };
    const card = open();
    await choose(card, "a.csv");
    await look(card);
    expect(card.get("[role=alert]").text()).toContain("more than 200 MB");
  });

  it("is stopped while it is sent and while it is read", async () => {
    chooseLanguage("en");
    Sending.held = true;
    const card = open();
    await choose(card, "a.csv");
    await card.get("form").trigger("submit");
    await flushPromises();
    expect(card.get("progress").attributes("value")).toBe("0.25");
    await press(card, "Stop");
    expect(card.text()).toContain("nothing was changed");

    Sending.held = false;
    states = [view("reading", { done: 1000 })];
    replies[`DELETE ${ROOT}/imports/${ID}`] = { status: 200, body: view("cancelled") };
    await choose(card, "a.csv");
    await look(card);
    await press(card, "Stop");
    expect(writes().at(-1)).toBe(`DELETE ${ROOT}/imports/${ID}`);
    expect(card.text()).toContain("nothing was changed");
    const before = sent.length;
    await wait();
    await wait();
    expect(sent.length, "nobody asks for it any more").toBe(before);
  });

  it("that went through before it was stopped says so", async () => {
    chooseLanguage("en");
    states = [view("writing", { done: 3, total: 3 })];
    const card = open(view("writing"));
    await wait();
    replies[`DELETE ${ROOT}/imports/${ID}`] = { status: 200, body: view("done", { report: { ...report, version: 8 } }) };
    await press(card, "Stop");
    expect(card.text()).toContain("is imported");
    expect(card.emitted("written")).toEqual([["office"]]);
  });

  it("is looked at again where somebody else was quicker", async () => {
    chooseLanguage("zh");
    states = [view("ready", { report })];
    const card = open(view("reading"));
    await wait();
    const message = "the base 'office' is at version 8, not 7: somebody changed it meanwhile; look at it again before you change it";
    states = [view("ready", { report: { ...report, version: 8, added: 0 }, problem: { code: "VersionConflict", message } })];
    await press(card, "导入");
    await wait();
    expect(card.get("[role=alert]").text()).toContain("知识库“office”现在是第 8 版");
    await press(card, "导入");
    expect(writes().at(-1)).toBe(`POST ${ROOT}/imports/${ID}/write?expect_version=8`);
  });

  it("of nothing new cannot be written", async () => {
    chooseLanguage("en");
    states = [view("ready", { report: { ...report, added: 0, changed: 0, errors: 0, problems: [] } })];
    const card = open(view("reading"));
    await wait();
    expect(card.text()).toContain(ADMIN_WORDS.en.kept.imports.same);
    expect(card.get(".primary").attributes("disabled")).toBeDefined();
  });

  it("is told in both languages, without a fault for axe", async () => {
    for (const language of ["zh", "en"] as const) {
      chooseLanguage(language);
      states = [view("ready", { file: "x.csv", report: { ...report, new_base: true, duplicates: [], duplicate_rows: 0 } })];
      const card = open(view("reading"));
      await wait();
      expect(HAN.test(card.text().replace("The office", ""))).toBe(language === "zh");
      expect(card.text()).not.toMatch(/\{|undefined/);
      vi.useRealTimers();
      const { violations } = await axe.run(card.element as HTMLElement, {
        rules: { "color-contrast": { enabled: false }, region: { enabled: false } },
      });
      expect(violations.map(({ id, nodes }) => `${id} ${nodes[0]?.html}`)).toEqual([]);
      card.unmount();
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    }
  });
});

describe("what an importer found", () => {
  it("is said in Chinese, with its values", () => {
    const zh = (text: string) => sayProblem(text, "zh");
    expect(zh("the question has 501 characters; at most 500 are taken")).toBe("问题有 501 个字，最多 500 个。");
    expect(zh("it asks what row 12 asks and answers otherwise; keep one of the two")).toBe("和第 12 行问的一样，回答却不同，请只留一个。");
    expect(zh("'valid_to' is '1/2/2026'; write a day as 2026-01-31")).toBe("到期日写的是“1/2/2026”，请写成 2026-01-31 这样的日期。");
    expect(zh("the id 'a' is taken by sheet 'Fees', row 3; give it another")).toBe("编号“a”已经被工作表“Fees”第 3 行用了，请换一个。");
    expect(zh("something new (100 %)")).toBe("something new (100 %)");
    expect(sayProblem("the answer is empty; write one", "en")).toBe("the answer is empty; write one");
  });

  it("has its place said", () => {
    expect(sayPlace("sheet 'Fees', row 3", "zh")).toBe("工作表“Fees”第 3 行");
    expect(sayPlace("page 1, 2 and 14 more", "zh")).toBe("第 1, 2 页和另外 14 页");
    expect(sayPlace("file", "zh")).toBe("整个文件");
    expect(sayPlace("row 3", "en")).toBe("row 3");
  });
});

describe("files and words", () => {
  it("are told apart", () => {
    expect(tellKind("问 答.XLSX")).toEqual({ kind: "pairs", open: false });
    expect(tellKind("a.b.md")).toEqual({ kind: "pairs", open: true });
    expect(tellKind("a.txt")).toEqual({ kind: "document", open: true });
    expect(tellKind("a.htm")).toEqual({ kind: "document", open: false });
    for (const name of ["a", "a.exe", ".csv/x", "csv", ""]) expect(tellKind(name), name).toBeNull();
    expect(splitWords(" 居住证，暂住证、 living  card;Living card\n")).toEqual(["居住证", "暂住证", "living card"]);
  });
});
