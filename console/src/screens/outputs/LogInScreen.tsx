import { Stack, Text } from "@mantine/core";
import { useParams } from "react-router";
import { useDirectory, useOutputs } from "../../api/outputs";
import { NotFound } from "../../app/NotFound";
import { ScreenFailure } from "../../components/Failure";
import { Loading } from "../../components/Loading";
import { PageHead } from "../../components/PageHead";
import { LogIn } from "./LogIn";
import { OutputFaults } from "./OutputFaults";

/** Where faults and the mails about them lead: log in at the partner again, and resume what stands still. */
export default function LogInScreen() {
  const { outputId = "" } = useParams();
  const outputs = useOutputs();
  const directory = useDirectory();
  const error = outputs.error ?? directory.error;
  if (error && !(outputs.data && directory.data)) return <ScreenFailure error={error} what="output" />;
  if (!outputs.data || !directory.data) return <Loading />;
  const output = outputs.data.find((each) => each.id === outputId);
  const connector = directory.data.find((each) => each.kind === output?.connector);
  if (!output || !connector?.has_log_in) return <NotFound what="output" />;
  return (
    <div className="page">
      <PageHead
        title={`Log in at ${connector.name}`}
        says={
          <Text c="dimmed">
            For <bdi>{output.name}</bdi>. A window opens at {connector.name}; agree there and come back.
          </Text>
        }
      />
      <Stack>
        <section className="card is-padded" aria-label="Log-in">
          <LogIn connector={connector} output={output} />
        </section>
        {output.faults.length > 0 && (
          <section className="card is-padded" aria-label="What stands still">
            <Text size="sm" mb="xs">
              Once you are logged in, resume what stands still:
            </Text>
            <OutputFaults output={output} />
          </section>
        )}
      </Stack>
    </div>
  );
}
