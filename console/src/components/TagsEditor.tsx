import { Button, Stack, TagsInput } from "@mantine/core";
import { useState } from "react";
import { usePutTags, useTags } from "../api/audiences";
import type { AudienceRow } from "../api/types";
import { Failure } from "./Failure";

const MAX_LENGTH = 18;
const MAX_TAGS = 50;

export default function TagsEditor({ audience, onDone }: { audience: AudienceRow; onDone: () => void }) {
  const [tags, setTags] = useState<string[]>([...audience.tags]);
  const known = useTags();
  const put = usePutTags(audience.id);
  const tooLong = tags.find((tag) => [...tag].length > MAX_LENGTH);
  const complaint = tooLong ? `“${tooLong}” is longer than ${MAX_LENGTH} characters.` : undefined;
  return (
    <Stack gap="xs">
      <TagsInput
        label="Tags"
        description={`Labels to find audiences by, of up to ${MAX_LENGTH} characters. Press Enter after each.`}
        value={tags}
        onChange={setTags}
        data={known.data?.map((each) => each.tag) ?? []}
        maxTags={MAX_TAGS}
        error={complaint}
        comboboxProps={{ withinPortal: false }}
        data-autofocus
      />
      <Failure error={put.error} />
      <Button
        size="xs"
        loading={put.isPending}
        disabled={complaint !== undefined}
        onClick={() => put.mutate({ version: audience.version, tags }, { onSuccess: onDone })}
      >
        Save tags
      </Button>
    </Stack>
  );
}
