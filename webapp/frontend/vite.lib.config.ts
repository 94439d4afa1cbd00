import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

/**
 * The embeddable library: one ES module, `lib/tfdeepviz.js`, with the WASM binaries beside it. Not Vite's `lib` mode,
 * which would inline the binaries as base64: an ordinary build with a script as its entry keeps them as files and,
 * because `base` is relative, finds them through `import.meta.url`.
 */
export default defineConfig({
  base: "./",
  publicDir: false,
  build: {
    outDir: fileURLToPath(new URL("../static/lib", import.meta.url)),
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: false,
    chunkSizeWarningLimit: 1500,
    rolldownOptions: {
      input: fileURLToPath(new URL("src/lib.ts", import.meta.url)),
      preserveEntrySignatures: "strict",
      output: {
        format: "es",
        codeSplitting: false,
        entryFileNames: "tfdeepviz.js",
        assetFileNames: "[name][extname]",
      },
    },
  },
});
