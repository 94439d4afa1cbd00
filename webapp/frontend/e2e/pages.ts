import { fileURLToPath } from "node:url";
import { expect, test } from "@playwright/test";
import { createServer, type ViteDevServer } from "vite";

/**
 * Serve a page of its own for one part of the playground, e2e/`folder`/index.html, while this file's tests run.
 *
 * @returns its address
 */
export function servePage(folder: string): () => string {
  let server: ViteDevServer | null = null;
  test.beforeAll(async () => {
    server = await createServer({
      configFile: false,
      root: fileURLToPath(new URL(folder, import.meta.url)),
      logLevel: "error",
      cacheDir: fileURLToPath(new URL(`../node_modules/.vite-${folder}`, import.meta.url)),
      server: { host: "127.0.0.1", port: 0, hmr: false, fs: { allow: ["../.."] } },
    });
    await server.listen();
  });
  test.afterAll(() => server?.close());
  return () => server?.resolvedUrls?.local[0] ?? "";
}

/**
 * Let no test of this file pass with an error on the page's console; a violation of the content security policy is one.
 *
 * @returns what there was so far; a test that wants errors looks at them and takes them out
 */
export function watchProblems(): string[] {
  const problems: string[] = [];
  test.beforeEach(({ page }) => {
    problems.length = 0;
    page.on("console", (message) => {
      if (message.type() === "error") problems.push(message.text());
    });
    page.on("pageerror", (error) => problems.push(error.message));
  });
  test.afterEach(() => expect(problems).toEqual([]));
  return problems;
}
