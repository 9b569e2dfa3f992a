import { Button, Menu, Text } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { CHOICES, type Leaf } from "./criteria";

/** The menu of criteria. */
export function AddCriterion({
  label,
  color,
  onAdd,
}: {
  label: string;
  color?: string;
  onAdd: (leaf: Leaf) => void;
}) {
  return (
    <Menu position="bottom-start" width={330} shadow="md">
      <Menu.Target>
        <Button size="xs" variant="light" color={color} leftSection={<IconPlus size={15} />}>
          {label}
        </Button>
      </Menu.Target>
      <Menu.Dropdown mah={420} style={{ overflowY: "auto" }}>
        {CHOICES.map(({ group, choices }) => (
          <div key={group}>
            <Menu.Label>{group}</Menu.Label>
            {choices.map((each) => (
              <Menu.Item key={each.label} onClick={() => onAdd(each.make())}>
                {each.label}
                <Text size="xs" c="dimmed">
                  {each.says}
                </Text>
              </Menu.Item>
            ))}
          </div>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
