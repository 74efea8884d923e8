/** Builds the scenes into the folder VISAVIS_PAGE_OUT, to be looked at and checked in a browser. */
import { fileURLToPath } from "node:url";
import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";

const here = fileURLToPath(new URL(".", import.meta.url));

export default defineConfig({
  root: here,
  base: "./",
  publicDir: false,
  plugins: [vue()],
  build: {
    outDir: process.env.VISAVIS_PAGE_OUT ?? fileURLToPath(new URL("../../out/scenes", import.meta.url)),
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1000,
  },
});
