import { fileURLToPath } from "node:url";
import { mergeConfig } from "vite";
import playground from "./vite.config.ts";

/** The page that e2e tests and the benchmark drive: the analysis without the playground, built like the playground. */
export const harnessDir = fileURLToPath(new URL("node_modules/.cache/tfdeepviz-harness", import.meta.url));

export default mergeConfig(
  { ...playground, plugins: [] },
  {
    root: fileURLToPath(new URL("e2e/harness", import.meta.url)),
    publicDir: false,
    build: { outDir: harnessDir, emptyOutDir: true },
  },
);
