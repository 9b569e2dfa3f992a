import { Anchor, Button, Stack, Table, Text } from "@mantine/core";
import { useState } from "react";
import { Link, useParams } from "react-router";
import { useProfile } from "../../api/insights";
import type { Schema } from "../../api/types";
import { useWorkspaces } from "../../api/workspaces";
import { ScreenFailure } from "../../components/Failure";
import { count, utc, words } from "../../components/format";
import { Loading } from "../../components/Loading";
import { PageHead } from "../../components/PageHead";
import { Why } from "../audiences/DetailsTab";

/** One user: what is known, and where they belong. */
export default function ProfileScreen() {
  const { mpid = "" } = useParams();
  const found = useProfile(mpid);
  const workspaces = useWorkspaces();
  if (found.error && !found.data) return <ScreenFailure error={found.error} what="profile" />;
  if (!found.data) return <Loading />;
  const profile = found.data;
  const nameOf = (id: string) => workspaces.data?.find((each) => each.id === id)?.name ?? id;
  return (
    <div className="page">
      <PageHead
        title={`Profile ${mpid}`}
        says={<Text c="dimmed">{count(profile.events)} events kept</Text>}
      />
      <div className="halves">
        <Memberships profile={profile} />
        <Stack>
          <section className="card is-padded" aria-label="Identities">
            <Text fw={600} mb="xs">
              Identities
            </Text>
            <dl className="facts">
              {profile.identities.map((each) => (
                <Fact key={each.type + each.value} name={words(each.type)} value={each.value} />
              ))}
            </dl>
          </section>
          <section className="card is-padded" aria-label="User attributes">
            <Text fw={600} mb="xs">
              User attributes
            </Text>
            <dl className="facts">
              {profile.attributes.map((each) => (
                <Fact
                  key={each.workspace_id + each.name}
                  name={each.name}
                  value={typeof each.value === "object" ? JSON.stringify(each.value) : String(each.value)}
                />
              ))}
            </dl>
          </section>
          <section className="card is-padded" aria-label="Seen">
            <Text fw={600} mb="xs">
              Seen
            </Text>
            <dl className="facts">
              {profile.seen.map((each) => (
                <Fact
                  key={each.workspace_id}
                  name={nameOf(each.workspace_id)}
                  value={`${utc(each.first)} to ${utc(each.last)}`}
                />
              ))}
            </dl>
          </section>
        </Stack>
      </div>
    </div>
  );
}

function Memberships({ profile }: { profile: Schema<"ProfileDetails"> }) {
  const [open, setOpen] = useState<number | null>(null);
  return (
    <section className="card is-padded" aria-label="Audiences">
      <Text fw={600} mb="xs">
        Audiences
      </Text>
      {profile.memberships.length === 0 && (
        <Text size="sm" c="dimmed">
          In no active audience at the moment.
        </Text>
      )}
      <Table>
        <Table.Tbody>
          {profile.memberships.map((each) => (
            <Table.Tr key={each.audience_id}>
              <Table.Td>
                <Anchor component={Link} to={`/audiences/${each.audience_id}`} size="sm" fw={600} dir="auto">
                  {each.name}
                </Anchor>
                <Text size="xs" c="dimmed">
                  {each.since ? `since ${utc(each.since)}` : "for longer than the history is kept"},{" "}
                  {each.until ? `until ${utc(each.until)} if nothing happens` : "with no end by time alone"}
                </Text>
                {open === each.audience_id && <Why audienceId={each.audience_id} mpid={profile.mpid} />}
              </Table.Td>
              <Table.Td style={{ verticalAlign: "top", textAlign: "right" }}>
                <Button
                  size="compact-xs"
                  variant="subtle"
                  aria-expanded={open === each.audience_id}
                  aria-label={`Why in ${each.name}`}
                  onClick={() => setOpen(open === each.audience_id ? null : each.audience_id)}
                >
                  Why?
                </Button>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </section>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt dir="auto">{name}</dt>
      <dd dir="auto">{value}</dd>
    </>
  );
}
