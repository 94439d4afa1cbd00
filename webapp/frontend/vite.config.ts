import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { build, defineConfig, type Plugin } from "vite";
import type { Build } from "./src/offline/keeper.ts";

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

/** Adds the service worker, which knows everything that the page was built of. It has no hash: browsers compare it. */
function serviceWorker(): Plugin {
  return {
    name: "tfdeepviz:service-worker",
    apply: "build",
    enforce: "post",
    generateBundle: {
      order: "post",
      async handler(_, bundle) {
        const { isWorker, publicDir } = this.environment.config;
        if (isWorker) return;
        const hash = createHash("sha256");
        const copied = filesOf(publicDir);
        for (const name of copied) hash.update(readFileSync(join(publicDir, name)));
        const { "index.html": page, ...assets } = bundle;
        if (page?.type === "asset") hash.update(page.source);
        const files = [...Object.keys(assets), ...copied].sort();
        const version = hash.update(files.join()).digest("hex").slice(0, 16);
        const source = await buildServiceWorker({ version, files });
        this.emitFile({ type: "asset", fileName: "service-worker.js", source });
      },
    },
  };
}

/** Paths below a folder, as addresses have them. */
function filesOf(folder: string): readonly string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files
    .map(({ parentPath, name }) => relative(folder, join(parentPath, name)).replaceAll(sep, "/"))
    .sort();
}

/** One classic script: not every browser takes modules here. */
async function buildServiceWorker(page: Build): Promise<string> {
  const built = await build({
    configFile: false,
    publicDir: false,
    logLevel: "warn",
    define: { TFDEEPVIZ_BUILD: JSON.stringify(page) },
    build: {
      write: false,
      target: "es2022",
      modulePreload: false,
      rolldownOptions: {
        input: fileURLToPath(new URL("src/offline/worker.ts", import.meta.url)),
        output: { format: "iife" },
      },
    },
  });
  if (Array.isArray(built) || !("output" in built)) throw new Error("The service worker was not built.");
  return built.output[0].code;
}

const backend = { target: "http://127.0.0.1:8000", changeOrigin: false };

export default defineConfig({
  base: "./", // works under any sub-path
  plugins: [cleanAssets(), serviceWorker()],
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
