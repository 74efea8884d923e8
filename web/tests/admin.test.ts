import { mount } from "@vue/test-utils";
import axe from "axe-core";
import { afterEach, describe, expect, it } from "vitest";
import SpeechCard from "../src/admin/Speech.vue";
import { SPEECH_STATES, type Speech } from "../src/admin/types";
import { ADMIN_WORDS } from "../src/admin/words";
import { chooseLanguage } from "../src/words";

const HAN = /[\u4e00-\u9fff]/;
const whole: Speech = {
  state: "speaking",
  ready: 412,
  foreseen: 880,
  kept: 1020,
  size: 96_400_000,
  limit: 512_000_000,
  problem: "",
};

function show(speech: Partial<Speech>) {
  return mount(SpeechCard, { props: { speech: { ...whole, ...speech } }, attachTo: document.body });
}

afterEach(() => {
  document.body.innerHTML = "";
});

describe("answers spoken ahead, on the operator's page", () => {
  it("are counted, and measured against their limit", () => {
    chooseLanguage("zh");
    const card = show({});
    expect(card.text()).toContain("正在合成");
    expect(card.text()).toContain("412／880 句");
    expect(card.text()).toContain("47%");
    expect(card.text()).toContain("共 1,020 句");
    const [ready, size] = card.findAll("progress").map(({ element }) => element);
    expect([ready?.value, ready?.max]).toEqual([412, 880]);
    expect([size?.value, size?.max]).toEqual([96_400_000, 512_000_000]);
    chooseLanguage("en");
    expect(show({}).text()).toMatch(/412 of 880\s*47%.*96 ?MB of 512 ?MB\s*1,020 sentences/);
  });

  it.each(SPEECH_STATES)("say in both languages that they are %s, without a fault for axe", async (state) => {
    for (const language of ["zh", "en"] as const) {
      chooseLanguage(language);
      const card = show({ state, problem: "" });
      expect(card.get(".tag").text()).toBe(ADMIN_WORDS[language].speech.states[state]);
      expect(HAN.test(card.text())).toBe(language === "zh");
      expect(card.text()).not.toContain("{");
      // Colours are not computed here; they are looked at in a real browser.
      const { violations } = await axe.run(card.element as HTMLElement, {
        rules: { "color-contrast": { enabled: false }, region: { enabled: false } },
      });
      expect(violations.map(({ id }) => id)).toEqual([]);
      card.unmount();
    }
  });

  it("tell why they stopped, in the server's words", () => {
    chooseLanguage("zh");
    const card = show({ state: "failed", problem: "the voice <b>x</b> is not there" });
    expect(card.get(".problem").text()).toBe("最近一次出错：the voice <b>x</b> is not there");
    expect(show({ state: "done" }).find(".problem").exists()).toBe(false);
    const { notes } = ADMIN_WORDS.zh.speech;
    expect(show({ state: "full" }).text()).toContain(notes.full);
    expect(show({ state: "full", problem: "the disk is full" }).text()).toContain(notes.refused);
  });

  it("show no progress where they are turned off, and nothing of the disk where nothing is kept", () => {
    chooseLanguage("en");
    const off = show({ state: "off" });
    expect(off.findAll("progress")).toHaveLength(1);
    expect(off.text()).toContain("VISAVIS_SERVER_PREPARE_SPEECH");
    const nothing = show({ state: "off", limit: 0, size: 0, kept: 0 });
    expect(nothing.findAll("progress")).toHaveLength(0);
    expect(nothing.text()).toContain("VISAVIS_SERVER_SPEECH_SHELF_MB");
    expect(show({ foreseen: 0, ready: 0 }).text()).toContain("not counted yet");
  });
});
