import { Anchor } from "@mantine/core";
import { Link } from "react-router";
import { Empty } from "../../components/Empty";

/** Connecting has to wait for an output. */
export function NoOutputs() {
  return (
    <Empty
      title="There is no output yet"
      says="An output is your account at a partner. Set one up in the directory."
    >
      <Anchor component={Link} to="/outputs/directory">
        Open the directory
      </Anchor>
    </Empty>
  );
}
