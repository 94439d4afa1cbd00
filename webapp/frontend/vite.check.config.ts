import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

/**
 * The check page, apart from the playground: it knows backends (WebGL, WebGPU) that nobody who plays should download,
 * and what the two share must not become chunks of their own for its sake.
 */
export default defineConfig({
  root: fileURLToPath(new URL("src/check", import.meta.url)),
  base: "./",
  publicDir: false,
  build: {
    outDir: fileURLToPath(new URL("../static/check", import.meta.url)),
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // data: URLs are not in the content security policy
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500,
  },
  worker: { format: "es" },
});
