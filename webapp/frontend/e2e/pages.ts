import { fileURLToPath } from "node:url";
import { expect, test, type Locator, type Page } from "@playwright/test";
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

/** The playground says what state it is in; everything slow is waited for through it. */
export const SLOW = { timeout: 60_000 };

/** Where nobody judges the picture: the processor draws it, and a quarter of its pixels take half of a test's time. */
export const COARSE = { deviceScaleFactor: 0.5 };

export const root = (page: Page): Locator => page.locator("html");

/** Open the playground; the address may choose a look. */
export async function load(page: Page, search = "", { noteAccepted = true } = {}): Promise<void> {
  if (noteAccepted) await page.addInitScript(() => localStorage.setItem("tfdeepviz.note", "yes"));
  await page.goto(`./${search}`);
  await expect(root(page)).toHaveAttribute("data-backend", /wasm|cpu/, SLOW);
}

export async function expectState(page: Page, state: string): Promise<void> {
  await expect(root(page)).toHaveAttribute("data-state", state, SLOW);
}

/** Drop files on the page as a person would: the browser's own DataTransfer carries them. */
export async function dropFiles(page: Page, names: readonly string[], content: Buffer): Promise<void> {
  await page.evaluate(
    ({ names, base64 }) => {
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      const dataTransfer = new DataTransfer();
      for (const name of names) dataTransfer.items.add(new File([bytes], name));
      for (const type of ["dragenter", "dragover", "drop"]) {
        document.body.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
      }
    },
    { names, base64: content.toString("base64") },
  );
}

/** Click a control that fades while music plays: hidden ones take no clicks, and those under the pointer stay. */
export async function clickControl(control: Locator): Promise<void> {
  const box = (await control.boundingBox())!;
  await control.page().mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await control.click();
}

export const openPanel = (page: Page): Promise<void> =>
  clickControl(page.getByRole("button", { name: "Settings", exact: true }));
