import { language } from "../words";

const locale = () => (language.value === "zh" ? "zh-CN" : "en-GB");

export const count = (value: number): string => new Intl.NumberFormat(locale()).format(value);

export function share(part: number, whole: number): string {
  if (!whole) return "–";
  const digits = part > 0 && part / whole < 0.1 ? 1 : 0;
  return new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: digits }).format(part / whole);
}

/** Of a stretch of time up to some seconds. */
export const seconds = (value: number): string =>
  new Intl.NumberFormat(locale(), { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(value) +
  (language.value === "zh" ? "\u00a0秒" : "\u00a0s");

export function age(value: number): string {
  const total = Math.max(0, Math.round(value));
  const part = (n: number) => String(n).padStart(2, "0");
  const hours = Math.floor(total / 3600);
  const rest = `${part(Math.floor(total / 60) % 60)}:${part(total % 60)}`;
  return hours ? `${hours}:${rest}` : rest;
}

export const moment = (value: number): string =>
  new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "short" }).format(value * 1000);

export const clock = (value: number): string =>
  new Intl.DateTimeFormat(locale(), { timeStyle: "medium" }).format(value * 1000);

/** Of an ISO date, which has no time zone to be moved by. */
export function dayName(iso: string, style: "short" | "long" = "short"): string {
  const options: Intl.DateTimeFormatOptions =
    style === "short"
      ? { day: "numeric", month: language.value === "zh" ? "numeric" : "short", timeZone: "UTC" }
      : { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" };
  return new Intl.DateTimeFormat(locale(), options).format(new Date(`${iso}T00:00:00Z`));
}

export function bytes(value: number): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  let n = value;
  let unit = 0;
  while (n >= 1000 && unit < units.length - 1) {
    n /= 1000;
    unit += 1;
  }
  return new Intl.NumberFormat(locale(), {
    style: "unit",
    unit: units[unit],
    maximumFractionDigits: n < 10 && unit ? 1 : 0,
  }).format(n);
}

/** Where a passage stands. The place in a text is the path of its headings, which may say all by itself. */
export const locate = (under: string, place: string): string =>
  place.includes(under) ? place : [under, place].filter(Boolean).join(" · ");
