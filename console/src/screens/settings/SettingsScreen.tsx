import { Button, Stack, Text } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useState } from "react";
import { isProblem } from "../../api/problem";
import { usePeople } from "../../api/settings";
import { useWorkspaceInputs } from "../../api/workspaces";
import { Empty } from "../../components/Empty";
import { type Fact, Facts } from "../../components/Facts";
import { Failure } from "../../components/Failure";
import { words } from "../../components/format";
import { Loading } from "../../components/Loading";
import { PageHead } from "../../components/PageHead";
import { Section } from "../../components/Section";
import { NameDialog, WorkspaceCard } from "./WorkspaceCard";

const ROLES: readonly Fact[] = [
  ["Read only", "sees everything but who else is here; changes nothing"],
  ["Audiences only", "also audiences, connections to existing outputs, and exports"],
  ["User", "also outputs, and sharing audiences with others"],
  ["Admin", "also workspaces, inputs and receiving; sees who else is here"],
];

/** Workspaces with their inputs and keys, who is here, and what each role may do. */
export default function SettingsScreen() {
  const found = useWorkspaceInputs();
  const [isNew, setNew] = useState(false);
  return (
    <div className="page">
      <PageHead
        title="Settings"
        says={
          <Text c="dimmed">
            Workspaces are apps or brands; inputs are the platforms and feeds that send their data.
          </Text>
        }
      >
        <Button leftSection={<IconPlus size={17} />} onClick={() => setNew(true)}>
          New workspace
        </Button>
      </PageHead>
      <Failure error={found.error} />
      {found.isPending && <Loading />}
      <Stack>
        {found.data?.map((each) => (
          <WorkspaceCard key={each.workspace.id} found={each} />
        ))}
        {found.data?.length === 0 && (
          <div className="card">
            <Empty title="No workspace yet" says="Create one for each app or brand, and give it inputs." />
          </div>
        )}
        <div className="halves">
          <Section title="Roles">
            <Facts facts={ROLES} />
          </Section>
          <People />
        </div>
      </Stack>
      {isNew && <NameDialog onClose={() => setNew(false)} />}
    </div>
  );
}

/** Who may sign in; admins alone are told. */
function People() {
  const { data, error } = usePeople();
  const isSecret = isProblem(error) && error.status === 403;
  return (
    <Section title="People">
      {!isSecret && <Failure error={error} />}
      <Facts facts={(data ?? []).map(({ email, role }) => [email, words(role)])} />
      <Text size="sm" c="dimmed" mt="sm">
        {isSecret && "Only admins see who is here. "}
        An operator invites people and gives them their role; ask yours.
      </Text>
    </Section>
  );
}
