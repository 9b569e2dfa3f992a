import { Button, Group, Stack, Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useMemo, useState } from "react";
import { useAudienceAct, useEditAudience } from "../../api/audiences";
import { usePreview } from "../../api/measure";
import { isProblem } from "../../api/problem";
import type { Audience, Schema } from "../../api/types";
import { useWorkspaceInputs } from "../../api/workspaces";
import { Builder } from "../../builder/Builder";
import type { Notes } from "../../builder/context";
import { missingIn } from "../../builder/criteria";
import { NO_SUGGESTIONS, useSuggestionsOf } from "../../builder/suggestions";
import {
  expression,
  leavesOf,
  letter,
  placeOf,
  type Group as Tree,
  toDefinition,
  toGroup,
} from "../../builder/tree";
import { done } from "../../components/done";
import { Failure } from "../../components/Failure";
import { words } from "../../components/format";
import { InputPicker, type Sources } from "../../components/InputPicker";
import { Unsaved } from "../../components/Unsaved";
import { DryRunDialog } from "./DryRunDialog";
import { Estimate } from "./Estimate";
import { Schedule } from "./Schedule";

const EDIT_PAUSE_MS = 450;
type Definition = Schema<"Draft">["definition"];

/** The definition, edited with its size in sight. */
export default function BuildTab({ audience }: { audience: Audience }) {
  // Ids are given once: a later version of the audience, read meanwhile, must not take away what is being edited.
  const [tree, setTree] = useState<Tree>(() => toGroup(audience.definition.root));
  const [sources, setSources] = useState<Sources>({
    workspaces: audience.workspaces,
    inputs: audience.inputs,
  });
  const [isStrict, setStrict] = useState(false);
  const [asksFor, setAsksFor] = useState<Schema<"AudienceEdit"> | null>(null);
  const edit = useEditAudience(audience.id);
  const act = useAudienceAct();
  const suggestions = useSuggestionsOf(sources);
  const written = useMemo(() => toDefinition(tree), [tree]);
  const isComplete = written !== null && leavesOf(tree).every((each) => !missingIn(each.value.leaf));
  const definition = useMemo(
    (): Definition | null => (written && isComplete ? { version: 1, root: written.root } : null),
    [written, isComplete],
  );
  const draft = useMemo(
    () => (definition && sources.inputs.length > 0 ? { ...sources, definition } : null),
    [definition, sources],
  );
  const [paused] = useDebouncedValue(draft, EDIT_PAUSE_MS);
  const isRealTime = audience.kind === "real_time";
  const preview = usePreview(isRealTime ? paused : null);
  const failed = edit.error ?? preview.error;
  const letters = useMemo(
    () => new Map(leavesOf(tree).map((each, place) => [each.id ?? "", letter(place)])),
    [tree],
  );
  const notes = useMemo(
    (): Notes => ({
      letters,
      isStrict,
      findings: grouped(preview.data?.lint ?? [], (each) => placeOf(each.path, written?.places ?? new Map())),
      errors: errorsAt(failed, written?.places ?? new Map()),
    }),
    [letters, isStrict, preview.data, failed, written],
  );
  // What was saved is not yet what the audience has: the API completes it, and an edit takes over later.
  const [kept, setKept] = useState("");
  const current = JSON.stringify({ ...sources, definition });
  const isSaved = current === kept || isSame(definition, sources, audience);
  const isActive = audience.status === "active";

  const save = (then?: (saved: Audience) => void) => {
    if (!definition) return setStrict(true);
    const body = { ...sources, definition };
    edit.mutate(
      { version: audience.version, edit: body },
      {
        onSuccess: (saved) => {
          setKept(current);
          then?.(saved);
        },
      },
    );
  };
  const activate = (saved: Pick<Audience, "id" | "version">) =>
    act.mutate(
      { id: saved.id, version: saved.version, act: "activate" },
      { onSuccess: () => done("The audience is active: its members are being found") },
    );
  const review = () => (definition ? setAsksFor({ ...sources, definition }) : setStrict(true));

  return (
    <div className="columns">
      <Unsaved isUnsaved={!isSaved} />
      <Stack>
        <Builder
          value={tree}
          onChange={setTree}
          notes={notes}
          suggestions={suggestions.data ?? NO_SUGGESTIONS}
        />
        <InWords
          text={isRealTime ? (preview.data?.says ?? (isComplete ? "Just a moment." : INCOMPLETE)) : undefined}
          logic={expression(tree, letters)}
        />
        <Failure error={edit.error ?? act.error} shown={definitionFields(edit.error)} />
        <Group>
          {audience.status === "draft" && (
            <Button
              variant="default"
              loading={edit.isPending}
              onClick={() => save(() => done("Saved as a draft"))}
            >
              Save as draft
            </Button>
          )}
          {isRealTime && audience.status === "draft" && (
            <Button
              loading={act.isPending}
              onClick={() => (isSaved ? activate(audience) : save(activate))}
              disabled={edit.isPending}
            >
              Activate
            </Button>
          )}
          {isActive && (
            <Button onClick={review} disabled={isSaved}>
              Review and save
            </Button>
          )}
          {!isSaved && (
            <Button
              variant="subtle"
              color="gray"
              onClick={() => {
                setTree(toGroup(audience.definition.root));
                setSources({ workspaces: audience.workspaces, inputs: audience.inputs });
                setKept("");
                edit.reset();
              }}
            >
              Undo changes
            </Button>
          )}
        </Group>
      </Stack>
      <Stack>
        {isRealTime ? (
          <Estimate
            preview={preview}
            isStale={paused !== draft || preview.isPlaceholderData}
            hasDraft={draft !== null}
          />
        ) : (
          <LifetimeNote audience={audience} />
        )}
        <SourcesCard audience={audience} sources={sources} onChange={setSources} />
      </Stack>
      <DryRunDialog
        audience={audience}
        edit={asksFor}
        isSaving={edit.isPending}
        error={edit.error}
        onClose={() => setAsksFor(null)}
        onApply={() =>
          save(() => {
            setAsksFor(null);
            done("Saved: the new definition takes over when its members are found");
          })
        }
      />
    </div>
  );
}

const INCOMPLETE = "Complete every criterion, and what they mean together is said here.";

function InWords({ text, logic }: { text?: string; logic: string }) {
  return (
    <div className="card is-padded" data-testid="in-words">
      <Text size="sm" fw={600} mb={4}>
        {text === undefined ? "How they combine" : "In words"}
      </Text>
      <Text size="sm" dir="auto">
        {text}
      </Text>
      {logic && (
        <Text size="sm" c="dimmed" mt={6} className="figure">
          {logic}
        </Text>
      )}
    </div>
  );
}

function SourcesCard({
  audience,
  sources,
  onChange,
}: {
  audience: Audience;
  sources: Sources;
  onChange: (value: Sources) => void;
}) {
  const known = useWorkspaceInputs();
  const [isOpen, setOpen] = useState(false);
  const isMulti = audience.scope === "multi" || audience.kind === "lifetime";
  const names = (known.data ?? []).flatMap((each) =>
    each.inputs.filter((one) => sources.inputs.includes(one.id)),
  );
  return (
    <div className="card is-padded">
      <Group justify="space-between" mb={6}>
        <Text size="sm" fw={600}>
          Data it reads
        </Text>
        <Button size="compact-xs" variant="subtle" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          {isOpen ? "Close" : "Change"}
        </Button>
      </Group>
      {isOpen ? (
        <InputPicker known={known.data ?? []} value={sources} onChange={onChange} isMulti={isMulti} />
      ) : (
        <Text size="sm" c="dimmed">
          {names.map((each) => each.name).join(", ")}
        </Text>
      )}
      {sources.inputs.length === 0 && (
        <Text size="sm" c="red">
          Choose at least one input.
        </Text>
      )}
    </div>
  );
}

function LifetimeNote({ audience }: { audience: Audience }) {
  const { date_range: range } = audience;
  const period =
    range?.start || range?.end ? `${range.start ?? "the first day"} to ${range.end ?? "the last"}` : "all";
  return (
    <div className="card is-padded">
      <Text size="sm" fw={600} mb={4}>
        Lifetime audience
      </Text>
      <Text size="sm" c="dimmed">
        It is calculated over its whole history ({period}, UTC) when you ask for it; there is no estimate
        before.
      </Text>
      {audience.status !== "archived" && <Schedule audience={audience} />}
    </div>
  );
}

function isSame(definition: Definition | null, sources: Sources, audience: Audience): boolean {
  const plain = (value: unknown) => JSON.stringify(value);
  // Both pass through the tree, which leaves out logic around a single criterion.
  const stored = toDefinition(toGroup(audience.definition.root));
  return (
    definition !== null &&
    plain(definition.root) === plain(stored?.root) &&
    plain(sources) === plain({ workspaces: audience.workspaces, inputs: audience.inputs })
  );
}

function grouped<T>(items: readonly T[], keyOf: (item: T) => string | undefined): Map<string, T[]> {
  const found = new Map<string, T[]>();
  for (const each of items) {
    const key = keyOf(each) ?? "";
    found.set(key, [...(found.get(key) ?? []), each]);
  }
  return found;
}

function errorsAt(error: unknown, places: ReadonlyMap<string, string>): Map<string, string[]> {
  if (!isProblem(error)) return new Map();
  const entries = [...error.fields].filter(([pointer]) => placeOf(pointer, places));
  const found = grouped(entries, ([pointer]) => placeOf(pointer, places));
  return new Map(
    [...found].map(([id, said]) => [id, said.map(([pointer, detail]) => named(pointer, detail))]),
  );
}

/** The field in words, before what is wrong with it. */
function named(pointer: string, detail: string): string {
  const field = pointer.split("/").findLast((each) => !/^\d+$/.test(each)) ?? "";
  return `${words(field)}: ${detail}`;
}

/** Those are said beside their criteria. */
function definitionFields(error: unknown): string[] {
  return isProblem(error) ? [...error.fields.keys()].filter((each) => each.startsWith("/definition")) : [];
}
