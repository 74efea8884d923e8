/** Which files can be imported, by their endings; the server says the same. */
const PAIRS = ["csv", "tsv", "xlsx", "json", "jsonl", "md"];
const DOCUMENTS = ["pdf", "docx", "html", "txt"];
/** Other endings of the same kinds. */
const ALSO: Record<string, string> = {
  tab: "tsv", xlsm: "xlsx", ndjson: "jsonl", markdown: "md", htm: "html", xhtml: "html", text: "txt",
};

export type FileKind = "pairs" | "document";

export const PAIR_KINDS = PAIRS.map((one) => one.toUpperCase()).join(" ");
export const DOCUMENT_KINDS = DOCUMENTS.map((one) => one.toUpperCase()).join(" ");
export const ACCEPTED = [...PAIRS, ...DOCUMENTS, ...Object.keys(ALSO)].map((one) => `.${one}`).join(",");

/** What a file holds by its name, and whether it could be the other as well; null where it is neither. */
export function tellKind(name: string): { kind: FileKind; open: boolean } | null {
  const ending = /\.([^.\\/]+)$/.exec(name)?.[1]?.toLowerCase() ?? "";
  const plain = ALSO[ending] ?? ending;
  if (PAIRS.includes(plain)) return { kind: "pairs", open: plain === "md" };
  // A text may be a table as well, as spreadsheets save it.
  if (DOCUMENTS.includes(plain)) return { kind: "document", open: plain === "txt" };
  return null;
}

export const BASE_NAME = "[a-z0-9][a-z0-9._\\-]{0,63}";

/** Words of a group, as somebody writes them into one line. */
export function splitWords(line: string): string[] {
  const words = line.split(/[,，、;；=＝\n]/).map((one) => one.trim().replace(/\s+/g, " "));
  const seen = new Set<string>();
  return words.filter((one) => one && !seen.has(one.toLowerCase()) && seen.add(one.toLowerCase()));
}
