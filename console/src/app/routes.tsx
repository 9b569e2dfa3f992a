import { lazy, useState } from "react";
import { createBrowserRouter, createRoutesFromElements, Navigate, Route, RouterProvider } from "react-router";
import type { Session } from "../auth/session";
import { AudienceListScreen } from "../screens/audiences/AudienceListScreen";
import { NotFound } from "./NotFound";
import { Shell } from "./Shell";

const AudienceScreen = lazy(() => import("../screens/audiences/AudienceScreen"));
const LifetimeScreen = lazy(() => import("../screens/lifetime/LifetimeScreen"));
const OutputsScreen = lazy(() => import("../screens/outputs/OutputsScreen"));
const DirectoryScreen = lazy(() => import("../screens/outputs/DirectoryScreen"));
const LogInScreen = lazy(() => import("../screens/outputs/LogInScreen"));
const ProfilesScreen = lazy(() => import("../screens/profiles/ProfilesScreen"));
const ProfileScreen = lazy(() => import("../screens/profiles/ProfileScreen"));
const ExportsScreen = lazy(() => import("../screens/exports/ExportsScreen"));
const JobsScreen = lazy(() => import("../screens/jobs/JobsScreen"));
const SharedScreen = lazy(() => import("../screens/sharing/SharedScreen"));
const ReceivedScreen = lazy(() => import("../screens/sharing/ReceivedScreen"));
const ReceivedAudienceScreen = lazy(() => import("../screens/sharing/ReceivedAudienceScreen"));
const SettingsScreen = lazy(() => import("../screens/settings/SettingsScreen"));

/** Every screen has an address; all but the first are loaded when they are first opened. */
export function Screens({ session }: { session: Session }) {
  const [router] = useState(() => createBrowserRouter(createRoutesFromElements(screens(session))));
  return <RouterProvider router={router} />;
}

function screens(session: Session) {
  return (
    <Route element={<Shell session={session} />}>
      <Route index element={<Navigate to="/audiences/single" replace />} />
      <Route path="audiences" element={<Navigate to="/audiences/single" replace />} />
      <Route path="audiences/single" element={<AudienceListScreen key="single" scope="single" />} />
      <Route path="audiences/multi" element={<AudienceListScreen key="multi" scope="multi" />} />
      <Route path="audiences/:audienceId/:tab?" element={<AudienceScreen />} />
      <Route path="lifetime/in-progress" element={<LifetimeScreen key="in_progress" tab="in_progress" />} />
      <Route path="lifetime/ready" element={<LifetimeScreen key="ready" tab="ready" />} />
      <Route path="lifetime/archived" element={<LifetimeScreen key="archived" tab="archived" />} />
      <Route path="sharing/shared" element={<SharedScreen />} />
      <Route path="sharing/received" element={<ReceivedScreen />} />
      <Route path="sharing/received/:receivedId" element={<ReceivedAudienceScreen />} />
      <Route path="outputs" element={<OutputsScreen />} />
      <Route path="outputs/directory" element={<DirectoryScreen />} />
      <Route path="outputs/:outputId/log-in" element={<LogInScreen />} />
      <Route path="profiles" element={<ProfilesScreen />} />
      <Route path="profiles/:mpid" element={<ProfileScreen />} />
      <Route path="exports" element={<ExportsScreen />} />
      <Route path="jobs/:jobId?" element={<JobsScreen />} />
      <Route path="settings" element={<SettingsScreen />} />
      <Route path="*" element={<NotFound />} />
    </Route>
  );
}
