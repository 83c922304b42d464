import { defineConfig } from "vitest/config";

const server = "http://127.0.0.1:8080";

export default defineConfig({
  base: "./",
  build: {
    outDir: "../../stream/genmo_stream/web",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    // Nothing is inlined as a data: URL, so that the page works under a strict content policy.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 900,
    // What is bundled is given away with the package: its licences go along.
    license: { fileName: "licenses.md" },
  },
  server: {
    proxy: {
      "/whip": server,
      "/v1": { target: server, ws: true },
    },
  },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
});
