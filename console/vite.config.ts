import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  build: {
    // The policy allows no data: scripts or styles, so everything stays a file.
    assetsInlineLimit: 0,
    manifest: true,
    reportCompressedSize: false,
  },
});
