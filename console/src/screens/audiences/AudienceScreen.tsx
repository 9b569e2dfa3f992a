import { Alert, Anchor, Group, Progress, Tabs, Text } from "@mantine/core";
import { lazy, Suspense } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { useAudience } from "../../api/audiences";
import type { Audience } from "../../api/types";
import { NotFound } from "../../app/NotFound";
import { ScreenFailure } from "../../components/Failure";
import { percent } from "../../components/format";
import { Loading } from "../../components/Loading";
import { PageHead } from "../../components/PageHead";
import { StatusBadge } from "../../components/StatusBadge";
import { Tags } from "../../components/Tags";
import { AudienceMenu } from "./AudienceMenu";
import { FaultIcon } from "./FaultIcon";

const TABS = {
  build: { label: "Build", screen: lazy(() => import("./BuildTab")) },
  "ab-test": { label: "A/B test", screen: lazy(() => import("./AbTestTab")) },
  connect: { label: "Connect", screen: lazy(() => import("./ConnectTab")) },
  details: { label: "Details", screen: lazy(() => import("./DetailsTab")) },
  download: { label: "Download", screen: lazy(() => import("./DownloadTab")) },
} as const;
type TabName = keyof typeof TABS;

/** One audience: its definition, test, partners, members and files. */
export default function AudienceScreen() {
  const { audienceId = "", tab = "build" } = useParams();
  const id = Number(audienceId);
  const found = useAudience(id);
  if (!Number.isInteger(id) || !(tab in TABS)) return <NotFound what="audience" />;
  if (found.error && !found.data) return <ScreenFailure error={found.error} what="audience" />;
  if (!found.data) return <Loading />;
  return <Loaded key={id} audience={found.data} tab={tab as TabName} />;
}

export interface TabProps {
  audience: Audience;
}

function Loaded({ audience, tab }: { audience: Audience; tab: TabName }) {
  const navigate = useNavigate();
  const isLifetime = audience.kind === "lifetime";
  const offered = (Object.keys(TABS) as TabName[]).filter((each) => !(isLifetime && each === "ab-test"));
  const Screen = TABS[tab].screen;
  return (
    <div className="page">
      <PageHead title={audience.name} says={<Facts audience={audience} />}>
        <Group gap={4}>
          <FaultIcon faults={audience.faults} name={audience.name} />
          <AudienceMenu
            audience={audience}
            onGone={() => navigate(isLifetime ? "/lifetime/in-progress" : `/audiences/${audience.scope}`)}
          />
        </Group>
      </PageHead>
      <Working audience={audience} />
      <Tabs
        value={tab}
        onChange={(chosen) =>
          navigate(chosen === "build" ? `/audiences/${audience.id}` : `/audiences/${audience.id}/${chosen}`)
        }
        keepMounted={false}
      >
        <Tabs.List mb="md">
          {offered.map((each) => (
            <Tabs.Tab key={each} value={each}>
              {TABS[each].label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value={tab}>
          <Suspense fallback={<Loading />}>
            <Screen audience={audience} />
          </Suspense>
        </Tabs.Panel>
      </Tabs>
    </div>
  );
}

function Facts({ audience }: TabProps) {
  return (
    <Group gap="sm" mt={4}>
      <StatusBadge status={audience.status} />
      <Text size="sm" c="dimmed" className="figure">
        ID {audience.id}
      </Text>
      {audience.external_name !== audience.name && (
        <Text size="sm" c="dimmed">
          Partners see it as <bdi>{audience.external_name}</bdi>
        </Text>
      )}
      <Tags audience={audience} />
    </Group>
  );
}

/** The job that brings its members, while there is one. */
function Working({ audience }: TabProps) {
  const { calculating } = audience;
  if (!calculating) return null;
  const isOver = ["failed", "cancelled", "dead"].includes(calculating.state);
  const what = audience.staged_version === null ? "Finding its members" : "Taking over the new definition";
  return (
    <Alert
      mb="md"
      color={isOver ? "red" : "blue"}
      title={isOver ? "The calculation has stopped" : what}
      role="status"
    >
      {isOver ? (
        <Anchor component={Link} to={`/jobs/${encodeURIComponent(calculating.id)}`}>
          See its job: it can be started again there.
        </Anchor>
      ) : (
        <>
          <Progress value={calculating.progress * 100} animated aria-label={what} mb={4} />
          <Text size="sm">{percent(calculating.progress)}</Text>
        </>
      )}
    </Alert>
  );
}
