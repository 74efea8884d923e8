import type { Language } from "../live/types";
import type { Persona } from "../protocol";

/** A face that may be chosen. */
export interface Face {
  name: string;
  picture: string;
  isDefault: boolean;
}

export interface Voice {
  name: string;
  languages: Language[];
  gender: "female" | "male" | "unknown";
}

/** Read something of the server's; null where it cannot be had: the page does without. */
async function read(path: string): Promise<unknown> {
  try {
    const answer = await fetch(path, { headers: { accept: "application/json" } });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

/** The list that an answer holds under a name. */
function list(answer: unknown, name: string): Record<string, unknown>[] | null {
  const found = (answer as Record<string, unknown> | null)?.[name];
  return Array.isArray(found) ? found : null;
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");

export const pictureOf = (avatar: string): string =>
  `/api/v1/avatars/${encodeURIComponent(avatar)}/picture.jpg`;

export async function readFaces(): Promise<Face[] | null> {
  const found = list(await read("/api/v1/avatars"), "avatars")?.filter((one) => !one.damaged);
  return (
    found?.map((one) => ({
      name: text(one.name),
      picture: text(one.picture),
      isDefault: one.default === true,
    })) ?? null
  );
}

export async function readVoices(): Promise<Voice[] | null> {
  const found = list(await read("/api/v1/voices"), "voices");
  return (
    found?.map((one) => ({
      name: text(one.name),
      languages: (Array.isArray(one.languages) ? one.languages : []) as Language[],
      gender: one.gender === "female" || one.gender === "male" ? one.gender : "unknown",
    })) ?? null
  );
}

/** Who answers in every session; null where nobody is named. */
export async function readPersona(): Promise<Persona | null> {
  const answer = (await read("/api/v1/persona")) as { persona?: Persona | null } | null;
  return answer?.persona ?? null;
}

/** Whether the server keeps the sound of questions; null where it does not say. */
export async function readKeepsSound(): Promise<boolean | null> {
  const answer = (await read("/api/v1/privacy")) as { sound?: unknown } | null;
  return typeof answer?.sound === "boolean" ? answer.sound : null;
}

/**
 * What a face or a voice is called by its name: `front_desk` is Front Desk. Kokoro's voices begin
 * with a letter for the language and one for the gender: `zf_xiaoxiao` is Xiaoxiao.
 */
export function titleOf(name: string): string {
  const parts = name.replace(/^[a-z][fm]_(?=.)/, "").split("_").filter(Boolean);
  return parts.map((part) => part.charAt(0).toUpperCase() + part.slice(1)).join(" ");
}

/** Questions that can be answered; empty where the server has none to offer. */
export async function readSuggestions(language: Language): Promise<string[]> {
  const answer = await read(`/api/v1/suggestions?language=${language}`);
  const found = list(answer, "questions") as unknown[] | null;
  return (found ?? []).map(text).filter(Boolean);
}
