import createClient, { type Middleware } from "openapi-fetch";
import type { Session } from "../auth/session";
import { setLost } from "./connection";
import { Problem } from "./problem";
import type { paths } from "./schema";

let session: Session | undefined;

export function signInWith(chosen: Session): void {
  session = chosen;
}

/** The network's own failure is a problem without a status, so that screens know one kind of error. */
async function send(request: Request): Promise<Response> {
  try {
    const answer = await fetch(request);
    // What stands between us and the API says so when it cannot reach it.
    setLost(answer.status === 502 || answer.status === 504);
    return answer;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    setLost(true);
    throw new Problem(0, { title: "No connection", detail: "The connection was lost." });
  }
}

const authorization: Middleware = {
  onRequest({ request }) {
    request.headers.set("Authorization", `Bearer ${session?.token ?? ""}`);
    return request;
  },
  async onResponse({ response }) {
    if (response.status === 401) await session?.signIn();
    return response;
  },
};

export const api = createClient<paths>({
  baseUrl: window.location.origin,
  fetch: send,
  querySerializer: { array: { style: "form", explode: true } },
});
api.use(authorization);

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body of a success; a failure is thrown as a `Problem`. */
export async function body<T>(asked: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await asked;
  if (response.ok) return data as T;
  const told =
    typeof error === "object" && error !== null ? error : { detail: `The API answered ${response.status}.` };
  throw new Problem(response.status, told);
}

/** What an update says of the version it is based on. */
export function ifMatch(version: number): { "if-match": string } {
  return { "if-match": `"${version}"` };
}

/** Makes a create safe to repeat: one key for one press of the button. */
export function onceOnly(): { "idempotency-key": string } {
  return { "idempotency-key": crypto.randomUUID() };
}
