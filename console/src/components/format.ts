const NUMBERS = new Intl.NumberFormat("en");
const PERCENT = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
] as const;

/** What is not known yet is `--`. */
export const UNKNOWN = "--";

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? UNKNOWN : NUMBERS.format(value);
}

export function percent(value: number | null | undefined): string {
  return value === null || value === undefined ? UNKNOWN : PERCENT.format(value);
}

/** UTC, as everything in the product: MM/DD/YY hh:mmam. */
export function utc(instant: string | null | undefined): string {
  if (!instant) return UNKNOWN;
  const at = new Date(instant);
  const two = (value: number) => String(value).padStart(2, "0");
  const hour = at.getUTCHours();
  const day = `${two(at.getUTCMonth() + 1)}/${two(at.getUTCDate())}/${two(at.getUTCFullYear() % 100)}`;
  return `${day} ${two(hour % 12 || 12)}:${two(at.getUTCMinutes())}${hour < 12 ? "am" : "pm"}`;
}

export function ago(instant: string, now = Date.now()): string {
  const seconds = (new Date(instant).getTime() - now) / 1000;
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return RELATIVE.format(Math.trunc(seconds / size), unit);
  }
  return "just now";
}

export function bytes(value: number): string {
  if (value < 1000) return `${value} B`;
  const power = Math.min(Math.floor(Math.log10(value) / 3), 4);
  return `${(value / 1000 ** power).toFixed(1)} ${["B", "kB", "MB", "GB", "TB"][power]}`;
}

/** `some_words` as a person writes them. */
export function words(name: string): string {
  const spaced = name
    .replaceAll("_", " ")
    .replaceAll("-", " ")
    .replace(/\bab test/, "A/B test");
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/** Two letters for a person or client. */
export function initials(name: string): string {
  const parts = name
    .replace(/@.*/, "")
    .split(/[^\p{L}\p{N}]+/u)
    .filter(Boolean);
  const letters = parts.length > 1 ? `${parts[0]?.charAt(0)}${parts[1]?.charAt(0)}` : name.slice(0, 2);
  return letters.toUpperCase();
}
