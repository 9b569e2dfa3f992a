import { Button, Checkbox, Chip, Group, Radio, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { useAbTest } from "../../api/abTests";
import { useStartExport } from "../../api/exports";
import { fieldError } from "../../api/problem";
import type { Audience } from "../../api/types";
import { useSuggestionsOf } from "../../builder/suggestions";
import { done } from "../../components/done";
import { Failure } from "../../components/Failure";
import { identityName } from "../../components/identities";
import { ExportList } from "../exports/ExportList";

/** The members as files, and the files that were made so far. */
export default function DownloadTab({ audience }: { audience: Audience }) {
  return (
    <Stack>
      <NewExport audience={audience} />
      <ExportList audienceId={audience.id} says="What you start above appears here, with how far it is." />
    </Stack>
  );
}

const MOST_USED = ["customer_id", "email", "mobile_number", "ios_advertising_id", "android_advertising_id"];

function NewExport({ audience }: { audience: Audience }) {
  const known = useSuggestionsOf({ workspaces: audience.workspaces, inputs: audience.inputs });
  const types = known.data?.identity_types ?? MOST_USED;
  const test = useAbTest(audience.id, audience.ab_test);
  const [chosen, setChosen] = useState<string[]>(["customer_id", "email"]);
  const [variants, setVariants] = useState<string[]>([]);
  const [format, setFormat] = useState<"csv" | "parquet">("csv");
  const [isSafe, setSafe] = useState(false);
  const [email, setEmail] = useState("");
  const start = useStartExport();
  const isReady = audience.status === "active" || audience.status === "ready";
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    start.mutate(
      {
        audiences: [{ id: audience.id, ...(variants.length > 0 && { variants }) }],
        identity_types: chosen,
        format,
        spreadsheet_safe: isSafe,
        ...(email.trim() && { email: email.trim() }),
      },
      { onSuccess: () => done("The export has begun") },
    );
  };
  return (
    <form className="card is-padded" onSubmit={submit}>
      <Stack>
        <Text size="sm" c="dimmed">
          A ZIP with a file for the audience (or for each variation) and a manifest. Every row is one
          identity: profile ID, instant, value and type.
        </Text>
        <Chip.Group multiple value={chosen} onChange={setChosen}>
          <fieldset style={{ border: 0, margin: 0, padding: 0 }}>
            <Text component="legend" size="sm" fw={500} mb={6}>
              Identity types
            </Text>
            <Group gap={6}>
              {types.map((each) => (
                <Chip key={each} value={each} size="sm" variant="light">
                  {identityName(each)}
                </Chip>
              ))}
            </Group>
          </fieldset>
        </Chip.Group>
        {test.data && (
          <Checkbox.Group
            label="Variations"
            description="Without any, the full audience is written."
            value={variants}
            onChange={setVariants}
          >
            <Group mt="xs">
              {test.data.variants.map((each) => (
                <Checkbox key={each.id} value={each.name} label={each.name} />
              ))}
            </Group>
          </Checkbox.Group>
        )}
        <Group align="flex-end" gap="xl">
          <Radio.Group
            label="Format"
            value={format}
            onChange={(value) => setFormat(value === "parquet" ? "parquet" : "csv")}
          >
            <Group mt="xs">
              <Radio value="csv" label="CSV" />
              <Radio value="parquet" label="Parquet" />
            </Group>
          </Radio.Group>
          <Checkbox
            label="Safe for spreadsheets"
            checked={isSafe}
            disabled={format !== "csv"}
            onChange={(event) => setSafe(event.currentTarget.checked)}
          />
        </Group>
        <TextInput
          type="email"
          label="Mail the link to"
          description="Leave it empty to fetch the file here. Links work for 7 days."
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
          error={fieldError(start.error, "/email")}
          maw={380}
        />
        <Failure error={start.error} shown={["/email"]} />
        <div>
          <Button type="submit" loading={start.isPending} disabled={!isReady || chosen.length === 0}>
            Start export
          </Button>
          {!isReady && (
            <Text size="sm" c="dimmed" mt={4}>
              The audience has no members yet.
            </Text>
          )}
        </div>
      </Stack>
    </form>
  );
}
