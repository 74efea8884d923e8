import { fileURLToPath } from "node:url";
import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vitest/config";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const server = process.env.VISAVIS_URL ?? "http://127.0.0.1:8010";

export default defineConfig({
  plugins: [vue()],
  build: {
    outDir: process.env.VISAVIS_PAGE_OUT ?? at("../src/visavis/apps/server/page"),
    emptyOutDir: true,
    target: "es2022",
    // The polyfill is an inline script, which the content security policy refuses.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rollupOptions: {
      input: { index: at("index.html"), admin: at("admin.html"), live: at("src/live/client.ts") },
      // `live.js` is for pages of others, which import `createLiveClient` from it.
      preserveEntrySignatures: "exports-only",
      output: {
        entryFileNames: ({ name }) => (name === "live" ? "live.js" : "assets/[name]-[hash].js"),
      },
    },
  },
  server: { proxy: { "/api": { target: server, ws: true }, "/v1": { target: server, ws: true } } },
  test: {
    environment: "happy-dom",
    setupFiles: ["tests/setup.ts"],
    include: ["tests/**/*.test.ts", "src/**/*.test.ts"],
  },
});
