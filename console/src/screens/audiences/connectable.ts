import type { Audience } from "../../api/types";

/** What connecting needs to know of an audience: one's own, or one that is received. */
export type Connectable = Pick<Audience, "id" | "kind" | "status" | "ab_test" | "workspaces" | "inputs">;
