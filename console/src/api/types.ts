import type { components } from "./schema";

type Schemas = components["schemas"];
export type Schema<K extends keyof Schemas> = Schemas[K];

export type AudienceRow = Schema<"AudienceRow">;
export type Audience = Schema<"AudienceView">;
export type Workspace = Schema<"WorkspaceView">;
export type Input = Schema<"InputView">;
export type Output = Schema<"OutputView">;
export type Connector = Schema<"ConnectorView">;
export type Connection = Schema<"ConnectionView">;
export type Job = Schema<"JobView">;
export type Export = Schema<"ExportView">;
export type Preview = Schema<"Preview">;
export type Finding = Schema<"Finding">;
export type DryRun = Schema<"DryRun">;
export type AbTest = Schema<"AbTestView">;
export type Outcomes = Schema<"OutcomesView">;
export type Explanation = Schema<"Explanation">;
export type ExplainedNode = Schema<"ExplainedNode">;
export type Fault = Schema<"FaultView">;
export type Calculation = Schema<"CalculationView">;
