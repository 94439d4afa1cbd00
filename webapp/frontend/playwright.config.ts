import { fileURLToPath } from "node:url";
import { defineConfig } from "@playwright/test";
import { harnessDir } from "./vite.harness.config.ts";

const repository = fileURLToPath(new URL("../..", import.meta.url));
const python =
  process.env.TFDEEPVIZ_PYTHON ?? fileURLToPath(new URL("../../.venv/bin/python", import.meta.url));
const port = Number(process.env.TFDEEPVIZ_E2E_PORT ?? 8123);

/** `--flag value` for every environment variable that is set. */
const flags = (
  [
    ["--registry", "TFDEEPVIZ_REGISTRY"],
    ["--static", "TFDEEPVIZ_STATIC"],
    ["--tracks", "TFDEEPVIZ_TRACKS"],
    ["--fma-root", "TFDEEPVIZ_FMA_ROOT"],
  ] as const
).flatMap(([flag, variable]) => {
  const value = process.env[variable];
  return value === undefined ? [] : [flag, JSON.stringify(value)];
});

/** Real Chromium against the real server, both as a user would have them: run `npm run build` first. */
export default defineConfig({
  testDir: "e2e",
  snapshotPathTemplate: "{testDir}/visuals/snapshots/{arg}{ext}",
  // Needs a model that was just trained: tests/test_walk.py runs it.
  testIgnore: process.env.TFDEEPVIZ_WALK === undefined ? ["walk.spec.ts"] : [],
  timeout: 180_000,
  expect: { timeout: 20_000 }, // a machine that does other things, too, draws slowly: what is there in time costs nothing
  retries: process.env.CI === undefined ? 0 : 1, // a shared machine may stall; what passes on retry is listed as flaky
  workers: 1, // two cores: parallel pages would only measure each other
  reporter: [["list"]],
  use: {
    baseURL: `http://127.0.0.1:${port}`,
    headless: true,
    // A worker would copy megabytes for every test and hide what is asked of the server; two files allow it.
    serviceWorkers: "block",
    viewport: { width: 1280, height: 800 },
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader",
        "--autoplay-policy=no-user-gesture-required",
      ],
    },
  },
  webServer: [
    { command: serve(port, flags), cwd: repository, port, reuseExistingServer: false, stderr: "pipe" },
    {
      // The analysis by itself, for parity.spec.ts: built anew for every run.
      command: `npx vite build --config vite.harness.config.ts --logLevel warn && cd ${JSON.stringify(repository)} && ${serve(
        port + 1,
        [...flags, "--static", JSON.stringify(harnessDir)],
      )}`,
      port: port + 1,
      reuseExistingServer: false,
      stderr: "pipe",
    },
  ],
});

function serve(onPort: number, options: readonly string[]): string {
  const command = [
    JSON.stringify(python),
    "-m",
    "webapp.server",
    "--host",
    "127.0.0.1",
    "--port",
    String(onPort),
  ];
  return [...command, ...options].join(" ");
}
