import { Badge, Button, Group, MultiSelect, Switch, Text, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useState } from "react";
import { useDirectory } from "../../api/outputs";
import type { Connector } from "../../api/types";
import { Empty } from "../../components/Empty";
import { Failure } from "../../components/Failure";
import { identityName } from "../../components/identities";
import { Loading } from "../../components/Loading";
import { PageHead } from "../../components/PageHead";
import { OutputDialog } from "./OutputDialog";

/** Every partner that audiences can be connected to. */
export default function DirectoryScreen() {
  const directory = useDirectory();
  const [text, setText] = useState("");
  const [types, setTypes] = useState<string[]>([]);
  const [hasLegacy, setLegacy] = useState(false);
  const [chosen, setChosen] = useState<Connector | null>(null);
  const all = (directory.data ?? []).toSorted((one, other) => one.name.localeCompare(other.name));
  const shown = all.filter(
    (each) =>
      (hasLegacy || !each.is_legacy) &&
      `${each.name} ${each.description}`.toLowerCase().includes(text.trim().toLowerCase()) &&
      types.every((type) => each.identity_types.includes(type)),
  );
  const known = [...new Set(all.flatMap((each) => each.identity_types))].sort();
  return (
    <div className="page">
      <PageHead title="Directory" says={<Text c="dimmed">Partners with an audience configuration.</Text>} />
      <div className="toolbar">
        <TextInput
          aria-label="Search partners"
          placeholder="Search partners"
          leftSection={<IconSearch size={16} />}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          w={240}
        />
        <MultiSelect
          aria-label="Accepts identity types"
          placeholder={types.length ? "" : "Accepts identity types"}
          data={known.map((each) => ({ value: each, label: identityName(each) }))}
          value={types}
          onChange={setTypes}
          searchable
          clearable
          miw={220}
        />
        <Switch
          className="is-middle"
          label="Services that have ended"
          checked={hasLegacy}
          onChange={(event) => setLegacy(event.currentTarget.checked)}
        />
      </div>
      <Failure error={directory.error} />
      {directory.isPending && <Loading />}
      <div className="cards">
        {shown.map((each) => (
          <section key={each.kind} className="card is-padded is-stacked" aria-label={each.name}>
            <Group justify="space-between" mb={4}>
              <Text fw={650} size="lg">
                {each.name}
              </Text>
              {each.is_legacy && <Badge color="gray">ended</Badge>}
            </Group>
            <Text size="sm" mb="sm">
              {each.description}
            </Text>
            <Group gap={4} mb="md">
              {each.identity_types.slice(0, 6).map((type) => (
                <Badge key={type} variant="default" size="sm" tt="none" fw={500}>
                  {identityName(type)}
                </Badge>
              ))}
              {each.identity_types.length > 6 && (
                <Text size="xs" c="dimmed">
                  and {each.identity_types.length - 6} more
                </Text>
              )}
            </Group>
            <Button
              size="xs"
              variant="light"
              h="auto"
              mih={30}
              py={4}
              maw="100%"
              styles={{ label: { whiteSpace: "normal", lineHeight: 1.25 } }}
              onClick={() => setChosen(each)}
            >
              + Add {each.name} to Setup
            </Button>
          </section>
        ))}
      </div>
      {shown.length === 0 && !directory.isPending && (
        <Empty
          title="No partner fits"
          says="Try another word, or a webhook: it takes any audience to a server of yours."
        />
      )}
      {chosen && <OutputDialog connector={chosen} onClose={() => setChosen(null)} />}
    </div>
  );
}
