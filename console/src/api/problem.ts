import type { components } from "./schema";

type Body = components["schemas"]["Problem"];

/** A failure as the API tells it (RFC 9457), or as the network does. */
export class Problem extends Error {
  readonly status: number;
  readonly title: string;
  /** By JSON pointer into the body (`/definition/root/...`) or `/query/<parameter>`. */
  readonly fields: ReadonlyMap<string, string>;
  readonly correlationId: string;

  constructor(status: number, body: Partial<Body>) {
    super(body.detail || body.title || "It did not work.");
    this.status = status;
    this.title = body.title ?? "";
    this.fields = new Map((body.errors ?? []).map((each) => [each.pointer, each.detail]));
    this.correlationId = body.correlation_id ?? "";
  }

  /** What is said of a field, or of anything inside it. */
  at(pointer: string): string | undefined {
    const own = this.fields.get(pointer);
    if (own) return own;
    for (const [each, detail] of this.fields) if (each.startsWith(`${pointer}/`)) return detail;
    return undefined;
  }
}

export function isProblem(error: unknown): error is Problem {
  return error instanceof Problem;
}

/** The message of a field of a form, if the error names it. */
export function fieldError(error: unknown, pointer: string): string | undefined {
  return isProblem(error) ? error.at(pointer) : undefined;
}

/** What is left to say once the fields that a form shows have spoken for themselves. */
export function restOf(error: unknown, shown: readonly string[]): string | undefined {
  if (!error) return undefined;
  if (!isProblem(error)) return error instanceof Error ? error.message : String(error);
  const unsaid = [...error.fields].filter(
    ([pointer]) => !shown.some((each) => pointer === each || pointer.startsWith(`${each}/`)),
  );
  if (error.fields.size > 0 && unsaid.length === 0) return undefined;
  return [error.message, ...unsaid.map(([pointer, detail]) => `${wordsOf(pointer)}: ${detail}`)].join(" ");
}

function wordsOf(pointer: string): string {
  return pointer.split("/").filter(Boolean).slice(-2).join(" ").replaceAll("_", " ");
}
