import type { Finding } from "../api/types";

/** What is known of a definition beside itself, by the id of a rule or group. */
export interface Notes {
  letters: ReadonlyMap<string, string>;
  findings: ReadonlyMap<string, readonly Finding[]>;
  errors: ReadonlyMap<string, readonly string[]>;
  /** What an incomplete criterion lacks is said once somebody has tried to save it. */
  isStrict: boolean;
}
