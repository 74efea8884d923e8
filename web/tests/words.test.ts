import { describe, expect, it } from "vitest";
import { chooseLanguage, fill, fillName, preferredLanguage } from "../src/words";
import { en } from "../src/words/en";
import { zh } from "../src/words/zh";

function flatten(texts: object, path = ""): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [key, value] of Object.entries(texts)) {
    if (typeof value === "string") found[path + key] = value;
    else Object.assign(found, flatten(value as object, `${path}${key}.`));
  }
  return found;
}

const chinese = flatten(zh);
const english = flatten(en);
const names = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1] ?? "").sort();

describe("texts", () => {
  it("are the same set in both languages", () => {
    expect(Object.keys(english).sort()).toEqual(Object.keys(chinese).sort());
    expect(Object.keys(chinese).length).toBeGreaterThan(100);
  });

  it.each(Object.keys(chinese))("%s says something, with the same values", (key) => {
    expect(chinese[key]?.trim()).toBeTruthy();
    expect(english[key]?.trim()).toBeTruthy();
    expect(names(english[key] ?? "")).toEqual(names(chinese[key] ?? ""));
  });

  it("are in their language", () => {
    const may = /^(language\.|name$|connection\.transports\.)/;
    for (const [key, text] of Object.entries(english))
      if (!may.test(key)) expect(text, key).not.toMatch(/[\u4e00-\u9fff]/);
    for (const [key, text] of Object.entries(chinese))
      if (!may.test(key) && text !== "{n}%") expect(text, key).toMatch(/[\u4e00-\u9fff]/);
  });

  it("follow the browser's first language that there is", () => {
    expect(preferredLanguage(["zh-CN", "en"])).toBe("zh");
    expect(preferredLanguage(["de-DE", "en-GB", "zh"])).toBe("en");
    expect(preferredLanguage(["zh-Hant-TW"])).toBe("zh");
    expect(preferredLanguage(["fr"])).toBe("en");
    expect(preferredLanguage([])).toBe("en");
  });

  it("set a name apart where the script changes", () => {
    chooseLanguage("zh");
    expect(fillName("当面问{name}", "小惠")).toBe("当面问小惠");
    expect(fillName("当面问{name}", "Alex")).toBe("当面问 Alex");
    expect(fillName("当面问{name}", "Élise")).toBe("当面问 Élise");
    chooseLanguage("en");
    expect(fillName("Ask {name} now", "Alex")).toBe("Ask Alex now");
  });

  it("take values", () => {
    expect(fill("{seconds} 秒，{seconds}，{other}", { seconds: 3 })).toBe("3 秒，3，{other}");
  });
});
