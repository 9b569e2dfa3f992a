import { Alert, Button } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { isProblem, restOf } from "../api/problem";
import { NotFound } from "../app/NotFound";

/** Why something could not be shown or done; `shown`: pointers of fields that say so themselves. */
export function Failure({
  error,
  shown = [],
  again,
}: {
  error: unknown;
  shown?: readonly string[];
  again?: () => void;
}) {
  const message = restOf(error, shown);
  if (!message) return null;
  return (
    <Alert color="red" icon={<IconAlertTriangle size={18} />} role="alert" title={titleOf(error)}>
      {message}
      {isProblem(error) &&
        error.status >= 500 &&
        error.correlationId &&
        ` (reference ${error.correlationId})`}
      {again && (
        <Button variant="default" size="compact-sm" ml="md" onClick={again}>
          Try again
        </Button>
      )}
    </Alert>
  );
}

/** A screen's one resource could not be had. */
export function ScreenFailure({ error, what }: { error: unknown; what: string }) {
  if (isProblem(error) && (error.status === 404 || isUnreadableId(error))) return <NotFound what={what} />;
  return (
    <div className="page">
      <Failure error={error} />
    </div>
  );
}

/** An address whose id is no id names nothing. */
function isUnreadableId(error: { status: number; fields: ReadonlyMap<string, string> }): boolean {
  return error.status === 422 && [...error.fields.keys()].some((each) => each.endsWith("_id"));
}

function titleOf(error: unknown): string {
  if (!isProblem(error)) return "It did not work";
  if (error.status === 403) return "Your role does not allow this";
  if (error.status === 412) return "Somebody else changed this meanwhile";
  return error.title || "It did not work";
}
