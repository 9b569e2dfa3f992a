import { lazy } from "react";
import { BrowserRouter, Navigate, Route, Routes } from "react-router";
import type { Session } from "../auth/session";
import { AudienceListScreen } from "../screens/audiences/AudienceListScreen";
import { NotFound } from "./NotFound";
import { Shell } from "./Shell";

const AudienceScreen = lazy(() => import("../screens/audiences/AudienceScreen"));

/** Every screen has an address; all but the first are loaded when they are first opened. */
export function Screens({ session }: { session: Session }) {
  return (
    <BrowserRouter>
      <Routes>
        <Route element={<Shell session={session} />}>
          <Route index element={<Navigate to="/audiences/single" replace />} />
          <Route path="audiences" element={<Navigate to="/audiences/single" replace />} />
          <Route path="audiences/single" element={<AudienceListScreen key="single" scope="single" />} />
          <Route path="audiences/multi" element={<AudienceListScreen key="multi" scope="multi" />} />
          <Route path="audiences/:audienceId/:tab?" element={<AudienceScreen />} />
          <Route path="*" element={<NotFound />} />
        </Route>
      </Routes>
    </BrowserRouter>
  );
}
