/** Small choices that outlast the visit; where storage is refused they last as long as the page. */
const PREFIX = "visavis.";

export function recall(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // Private windows may refuse; the choice then holds for this visit only.
  }
}
