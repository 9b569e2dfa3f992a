import { Checkbox, Input, Radio, Stack, Text } from "@mantine/core";
import type { WorkspaceInputs } from "../api/workspaces";

export interface Sources {
  workspaces: string[];
  inputs: string[];
}

interface Props {
  known: readonly WorkspaceInputs[];
  value: Sources;
  onChange: (value: Sources) => void;
  /** Several workspaces may be chosen. */
  isMulti: boolean;
  error?: string;
}

/** Platforms and feeds by workspace: whose events an audience reads. */
export function InputPicker({ known, value, onChange, isMulti, error }: Props) {
  const choose = (workspace: WorkspaceInputs, isChosen: boolean) => {
    const ids = workspace.inputs.map((each) => each.id);
    if (!isMulti) return onChange({ workspaces: [workspace.workspace.id], inputs: ids });
    const inputs = value.inputs.filter((each) => !ids.includes(each));
    const workspaces = value.workspaces.filter((each) => each !== workspace.workspace.id);
    return onChange(
      isChosen
        ? { workspaces: [...workspaces, workspace.workspace.id], inputs: [...inputs, ...ids] }
        : { workspaces, inputs },
    );
  };
  const tick = (id: string, isTicked: boolean) =>
    onChange({
      ...value,
      inputs: isTicked ? [...value.inputs, id] : value.inputs.filter((each) => each !== id),
    });
  return (
    <Input.Wrapper
      label="Inputs"
      description="The platforms and feeds whose events it reads; at least one."
      error={error}
      labelElement="div"
    >
      <Stack gap="xs" mt={6}>
        {known.map((each) => {
          const isChosen = value.workspaces.includes(each.workspace.id);
          const shared = { label: <bdi>{each.workspace.name}</bdi>, checked: isChosen };
          return (
            <div key={each.workspace.id}>
              {isMulti ? (
                <Checkbox {...shared} onChange={(event) => choose(each, event.currentTarget.checked)} />
              ) : (
                <Radio {...shared} name="workspace" onChange={() => choose(each, true)} />
              )}
              {isChosen && (
                <Stack gap={6} pl={32} pt={6}>
                  {each.inputs.map((one) => (
                    <Checkbox
                      key={one.id}
                      size="sm"
                      label={
                        <>
                          <bdi>{one.name}</bdi>{" "}
                          <Text span size="xs" c="dimmed">
                            {one.kind}
                          </Text>
                        </>
                      }
                      checked={value.inputs.includes(one.id)}
                      onChange={(event) => tick(one.id, event.currentTarget.checked)}
                    />
                  ))}
                  {each.inputs.length === 0 && (
                    <Text size="sm" c="dimmed">
                      No inputs yet: add one under Settings.
                    </Text>
                  )}
                </Stack>
              )}
            </div>
          );
        })}
        {known.length === 0 && (
          <Text size="sm" c="dimmed">
            There is no workspace yet: add one under Settings.
          </Text>
        )}
      </Stack>
    </Input.Wrapper>
  );
}
