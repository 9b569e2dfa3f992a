import { Anchor, Button, Table, Text } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";
import { useExplanation } from "../api/insights";
import { ExplainTree } from "./ExplainTree";
import { Failure } from "./Failure";
import { Loading } from "./Loading";

interface Props {
  to: string;
  name: string;
  says: React.ReactNode;
  /** Whose membership, and in which audience; absent where nobody can tell. */
  membership?: { audienceId: number; mpid: string };
}

/** A membership, and why it is one. */
export function WhyRow({ to, name, says, membership }: Props) {
  const [isOpen, setOpen] = useState(false);
  return (
    <Table.Tr>
      <Table.Td>
        <Anchor component={Link} to={to} size="sm" className="figure" dir="auto">
          {name}
        </Anchor>
        <Text size="xs" c="dimmed">
          {says}
        </Text>
        {membership && isOpen && <Why {...membership} />}
      </Table.Td>
      <Table.Td style={{ verticalAlign: "top", textAlign: "right" }}>
        {membership && (
          <Button
            size="compact-xs"
            variant="subtle"
            aria-expanded={isOpen}
            aria-label={`Why? ${name}`}
            onClick={() => setOpen(!isOpen)}
          >
            Why?
          </Button>
        )}
      </Table.Td>
    </Table.Tr>
  );
}

function Why({ audienceId, mpid }: { audienceId: number; mpid: string }) {
  const { data, error } = useExplanation(audienceId, mpid);
  if (error) return <Failure error={error} />;
  return data ? <ExplainTree explanation={data} /> : <Loading />;
}
