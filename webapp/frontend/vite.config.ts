import { rmSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const outDir = fileURLToPath(new URL("../static", import.meta.url));

/** The same isolation headers as webapp/server.py: without them there is no SharedArrayBuffer and no WASM threads. */
const isolation = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/** Old hashed files go, the library beside them (built by vite.lib.config.ts) stays. */
function cleanAssets(): Plugin {
  return {
    name: "tfdeepviz:clean-assets",
    apply: "build",
    buildStart() {
      const { isWorker, root, build } = this.environment.config;
      if (!isWorker) rmSync(resolve(root, build.outDir, "assets"), { recursive: true, force: true });
    },
  };
}

const backend = { target: "http://127.0.0.1:8000", changeOrigin: false };

export default defineConfig({
  base: "./", // works under any sub-path
  plugins: [cleanAssets()],
  build: {
    outDir,
    emptyOutDir: false,
    target: "es2022",
    assetsInlineLimit: 0, // data: URLs are not in the content security policy
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500,
  },
  worker: { format: "es" },
  server: {
    headers: isolation,
    proxy: { "/registry": backend, "/tracks": backend, "/fma": backend },
  },
  preview: { headers: isolation },
});
