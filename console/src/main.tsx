import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "./app/theme.css";
import "./app/layout.css";
import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { signInWith } from "./api/client";
import { queryClient } from "./api/queryClient";
import { Screens } from "./app/routes";
import { StartFailure } from "./app/StartFailure";
import { theme } from "./app/theme";
import { readConfig, Session } from "./auth/session";

const root = createRoot(document.getElementById("root") as HTMLElement);

function show(content: React.ReactNode): void {
  root.render(
    <StrictMode>
      <MantineProvider
        theme={theme}
        defaultColorScheme="auto"
        // Both would be style elements, which the content security policy forbids: theme.css holds the variables.
        withCssVariables={false}
        withGlobalClasses={false}
      >
        {content}
      </MantineProvider>
    </StrictMode>,
  );
}

async function start(): Promise<void> {
  const session = new Session(await readConfig());
  if (!(await session.begin())) return;
  signInWith(session);
  show(
    <QueryClientProvider client={queryClient}>
      <Notifications position="bottom-right" />
      <Screens session={session} />
    </QueryClientProvider>,
  );
}

start().catch((error: unknown) => show(<StartFailure error={error} />));
