import { Badge, Table, Text } from "@mantine/core";
import { useAudience } from "../api/audiences";
import type { Schema } from "../api/types";
import { words } from "./format";

const GOOD = new Set(["connected", "sent", "already_connected"]);
const BUSY = new Set(["connecting", "sending"]);

/** What came of each item of a job. */
export function Results({ results }: { results: readonly Schema<"ItemResultView">[] }) {
  if (results.length === 0) return null;
  return (
    <div className="scroll-x">
      <Table mt="sm" aria-label="Results">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Audience</Table.Th>
            <Table.Th>Result</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {results.map((each) => (
            <Table.Tr key={`${each.audience_id} ${each.connection_id}`} data-testid="result">
              <Table.Td>
                <Name id={each.audience_id} />
              </Table.Td>
              <Table.Td>
                <Badge
                  variant="light"
                  color={GOOD.has(each.code) ? "green" : BUSY.has(each.code) ? "blue" : "red"}
                >
                  {each.code.replaceAll("_", " ")}
                </Badge>
                <Text size="sm">{each.message}</Text>
                {each.problems?.map((problem) => (
                  <Text key={problem.field} size="sm" c="red">
                    {words(problem.field.split("/").at(-1) ?? "")}: {problem.message}
                  </Text>
                ))}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

function Name({ id }: { id: number }) {
  const { data } = useAudience(id);
  return (
    <>
      <bdi>{data?.name ?? "Audience"}</bdi>{" "}
      <Text span size="sm" c="dimmed">
        {id}
      </Text>
    </>
  );
}
