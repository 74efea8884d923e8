import type { Language } from "../live/types";
import RULES from "./importProblems.zh.json";

/**
 * What an importer found, in Chinese.
 *
 * The server tells it in English. Each rule is an English text with `{names}` for what differs, and the
 * Chinese one; what no rule fits is shown as the server says it.
 */
interface Rule {
  pattern: RegExp;
  names: string[];
  said: string;
}

const FIELDS: Record<string, string> = {
  question: "问题", answer: "回答", aliases: "其他问法", alias: "其他问法", topic: "主题", source: "出处", id: "编号",
  language: "语言", emotion: "情绪", intensity: "强度", valid_from: "生效日", valid_to: "到期日", link: "链接",
  phone: "电话", office: "地点", value: "内容", label: "名称", "label of a link": "链接的名称",
  "label of a phone": "电话的名称", "label of a office": "地点的名称",
};
const TRANSLATED = new Set(["field", "kind"]);

const escape = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

const compiled: Rule[] = (RULES as [string, string][]).map(([english, said]) => {
  const names: string[] = [];
  const pattern = english
    .split(/(\{\w+\})/)
    .map((part) => {
      const name = /^\{(\w+)\}$/.exec(part)?.[1];
      if (!name) return escape(part);
      names.push(name);
      // Of several that fit the shortest counts, but for the last, which takes what is left.
      return "([\\s\\S]*?)";
    })
    .join("");
  return { pattern: new RegExp(`^${pattern}$`), names, said };
});

/** A value as it is written into a Chinese text: Python's quotation marks become Chinese ones. */
function quote(name: string, value: string): string {
  const bare = /^'([\s\S]*)'$|^"([\s\S]*)"$/.exec(value);
  const text = bare ? (bare[1] ?? bare[2] ?? "") : value;
  if (TRANSLATED.has(name) && FIELDS[text]) return FIELDS[text];
  if (name === "place") return sayPlace(value, "zh");
  return bare ? `“${text}”` : value;
}

/** What was found, in the page's language. */
export function sayProblem(text: string, language: Language): string {
  if (language !== "zh") return text;
  for (const { pattern, names, said } of compiled) {
    const found = pattern.exec(text);
    if (found)
      return said.replace(/\{(\w+)\}/g, (whole, name: string) => {
        const value = found[names.indexOf(name) + 1];
        return value === undefined ? whole : quote(name, value);
      });
  }
  return text;
}

/** Where it was found, in the page's language. */
export function sayPlace(place: string, language: Language): string {
  if (language !== "zh") return place;
  return place
    .replace(/^file$/, "整个文件")
    .replace(/^question ['"]([\s\S]*)['"]$/, "问题“$1”")
    .replace(/^pair ['"]([\s\S]*)['"] of the base$/, "知识库里的“$1”")
    .replace(/^sheet ['"]([\s\S]*?)['"](?:, )?/, "工作表“$1”")
    .replace(/row (\d+)$/, "第 $1 行")
    .replace(/^line (\d+)$/, "第 $1 行")
    .replace(/^(?:item|entry|object|number) (\d+)$/, "第 $1 条")
    .replace(/^pages? ([\d, -]+)(?: and (\d+) more)?$/, (_, pages: string, more?: string) =>
      more ? `第 ${pages} 页和另外 ${more} 页` : `第 ${pages} 页`,
    );
}
