/** The pages that draw pictures without the playground (webapp/frontend/e2e/gallery), in Chromium, beside a server. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FRONTEND = join(ROOT, "webapp/frontend");
const require = createRequire(join(FRONTEND, "package.json"));
const { chromium } = require("playwright-core");

const CHROMIUM_FLAGS = [
  "--no-sandbox",
  "--disable-background-networking",
  "--no-first-run",
  // Where there is no graphics card, the processor plays one.
  "--use-angle=swiftshader",
  "--enable-unsafe-swiftshader",
];

/**
 * Open a page of the folder (`gallery` or `follow`), hand it to `use`, and close everything again. With `fmaRoot` the
 * page can hear its tracks. Several pages are of a browser each: a processor that plays graphics card uses one core.
 */
export async function withPictures(fmaRoot, use, { name = "gallery", nPages = 1 } = {}) {
  const { createServer } = await import(require.resolve("vite").replace(/index\.cjs$/, "dist/node/index.js"));
  const server = fmaRoot === null ? null : await startServer(fmaRoot);
  const proxy = server && { "/registry": server.url, "/fma": server.url };
  const vite = await createServer({
    configFile: false,
    root: join(FRONTEND, "e2e/gallery"),
    logLevel: "error",
    cacheDir: join(FRONTEND, "node_modules/.vite-gallery"),
    server: {
      host: "127.0.0.1",
      port: 0,
      hmr: false,
      fs: { allow: [FRONTEND] },
      ...(proxy && { proxy }),
    },
  });
  await vite.listen();
  const browsers = [];
  const open = async () => {
    const browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: CHROMIUM_FLAGS,
    });
    browsers.push(browser);
    const page = await browser.newPage();
    page.on("pageerror", (error) => console.error(error.message));
    await page.goto(new URL(`${name}.html`, vite.resolvedUrls.local[0]).href);
    await page.waitForFunction((name) => name in window, name);
    return page;
  };
  try {
    const pages = [];
    while (pages.length < nPages) pages.push(await open());
    return await use(...pages);
  } finally {
    for (const browser of browsers) await browser.close();
    await vite.close();
    server?.stop();
  }
}

async function startServer(fmaRoot) {
  const python = process.env.TFDEEPVIZ_PYTHON ?? join(ROOT, ".venv/bin/python");
  const options = ["-m", "webapp.server", "--port", "0", "--fma-root", fmaRoot];
  const child = spawn(python, options, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  process.once("exit", () => child.kill());
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([
    once(lines, "line"),
    once(child, "exit").then(() => Promise.reject(new Error("the server did not start"))),
  ]);
  return { url: line.match(/http:\/\/[^ /]+/)[0], stop: () => child.kill() };
}
