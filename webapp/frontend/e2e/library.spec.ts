import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import AxeBuilder from "@axe-core/playwright";
import { expect, test, type Page } from "@playwright/test";
import { servePage } from "./pages";

/** The dialog of playlist and FMA on a page of its own (library/index.html), over 8,000 tracks. */

const index = {
  schema_version: 1,
  genres: ["Electronic", "Folk", "Rock"],
  artists: Array.from({ length: 500 }, (_, i) => `Ärtist ${i}`),
  licences: ["CC-BY-4.0"],
  tracks: Array.from({ length: 8000 }, (_, i) => [i + 1, i % 500, i % 3, `Track ${i + 1}`, 30, 0]),
};

const address = servePage("library");

const problems: string[] = [];

async function openDialog(page: Page, answer: object = { json: index }): Promise<void> {
  problems.length = 0;
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(error.message));
  await page.route("**/fma/index.json", (route) => route.fulfill(answer));
  await page.goto(address());
  await page.waitForFunction(() => "music" in window);
  await page.getByRole("button", { name: "Open" }).click();
  await expect(page.getByRole("tab", { name: "Playlist" })).toBeFocused(); // what is not shown yet takes no focus
}

const titles = (page: Page) => page.evaluate(() => window.music.titles());
const rows = (page: Page) => page.locator(".row");
const openFma = (page: Page) => page.getByRole("tab", { name: "FMA tracks" }).click();
const searchField = (page: Page) => page.getByLabel("Search artist, title or genre");

test("finds tracks while they are typed, by keyboard alone", async ({ page }) => {
  await openDialog(page);
  await expect(page.getByRole("tab")).toHaveCount(3);
  await page.keyboard.press("ArrowRight");
  await expect(page.getByRole("tab", { name: "FMA tracks" })).toBeFocused();
  await expect(page.getByText("8,000 tracks")).toBeVisible();
  expect(await rows(page).count()).toBeLessThan(30);
  await page.keyboard.press("Tab");
  await page.keyboard.type("FOLK artist 77");
  await expect(rows(page).first()).toContainText("77");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  const second = await rows(page).nth(1).locator(".row-title").textContent();
  await page.keyboard.press("Enter");
  await expect.poll(() => page.evaluate(() => window.music.current())).toBe(second);
  await expect(page.locator(".row[aria-current]")).toHaveCount(1);
  await page.keyboard.press("Enter"); // the same track is no second entry
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Shift+Enter");
  const first = await rows(page).nth(0).locator(".row-title").textContent();
  await expect.poll(() => titles(page)).toEqual([second, first]);
  await page.keyboard.press("ArrowRight");
  await expect(page.getByRole("button", { name: `Add “${first}” to the playlist` })).toBeFocused();
  expect(problems).toEqual([]);
});

test("keeps the focus in a list of which only a part is there", async ({ page }) => {
  await openDialog(page);
  await openFma(page);
  await searchField(page).press("ArrowDown");
  await page.keyboard.press("End");
  await expect(page.locator(".row:focus-within")).toContainText("Track 8000");
  await page.keyboard.press("PageUp");
  await page.locator(".rows").evaluate((list) => (list.scrollTop = 0));
  await expect(rows(page).filter({ hasText: "Track 1Ä" })).toBeVisible();
  await expect(page.locator(".row:focus-within")).toHaveCount(1);
  expect(await rows(page).count()).toBeLessThan(30);
  await page.keyboard.press("Home");
  await expect(page.locator(".row:focus-within .row-title")).toHaveText("Track 1");
});

test("narrows by genre", async ({ page }) => {
  await openDialog(page);
  await openFma(page);
  await page.getByRole("combobox", { name: "Genre" }).selectOption("Folk");
  await expect(page.getByText("2,667 of 8,000 tracks")).toBeVisible();
  await searchField(page).fill("nothing like it");
  await expect(page.getByText("No track has all of these words")).toBeVisible();
});

test("offers no FMA where there is none, and a way on where it fails", async ({ page }) => {
  await openDialog(page, { json: { ...index, tracks: [] } });
  await expect(page.getByRole("tab")).toHaveText(["Playlist", "Live sound"]);
  await page.unrouteAll();
  await openDialog(page, { status: 500, body: "" });
  await openFma(page);
  await expect(page.getByRole("alert")).toContainText("the server answers 500");
  await page.unrouteAll();
  await page.route("**/fma/index.json", (route) => route.fulfill({ json: index }));
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByText("8,000 tracks")).toBeVisible();
});

test("takes files and folders, and counts what is no audio", async ({ page }, info) => {
  await openDialog(page);
  const file = (name: string) => ({ name, mimeType: "", buffer: Buffer.from("sound") });
  await page.getByLabel("Audio files").setInputFiles([file("10 b.mp3"), file("9 a.flac"), file("x.jpg")]);
  await expect(
    page.getByText("Added 2 tracks. Skipped x.jpg: not audio that this browser plays."),
  ).toBeVisible();
  await expect.poll(() => titles(page)).toEqual(["9 a", "10 b"]);
  const folder = join(info.outputDir, "music");
  await mkdir(join(folder, "inside"), { recursive: true });
  for (const name of ["c.mp3", "inside/d.ogg", "cover.png", "e.aiff"])
    await writeFile(join(folder, name), "sound");
  await page.getByLabel("Folder for the playlist").setInputFiles(folder);
  await expect.poll(() => titles(page)).toEqual(["9 a", "10 b", "c", "d"]);
  await expect(page.getByText(/^Added 2 tracks\. Skipped .*e\.aiff/)).toBeVisible();
  expect(problems).toEqual([]);
});

test("plays, moves and removes by keyboard", async ({ page }) => {
  await openDialog(page);
  await page.evaluate(() => window.music.add(["a", "b", "c"]));
  await rows(page).nth(0).locator(".row-main").focus();
  await page.keyboard.press("Enter");
  await expect.poll(() => page.evaluate(() => window.music.current())).toBe("a");
  await page.keyboard.press("Alt+ArrowDown");
  await expect.poll(() => titles(page)).toEqual(["b", "a", "c"]);
  await expect(page.getByText("“a” is now number 2 of 3.")).toBeVisible();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowDown"); // on the grip
  await expect.poll(() => titles(page)).toEqual(["b", "c", "a"]);
  await expect(page.getByRole("button", { name: "Move “a” with the arrow keys" })).toBeFocused();
  await page.keyboard.press("Delete");
  await expect.poll(() => titles(page)).toEqual(["b", "c"]);
  await expect(page.locator(".row:focus-within")).toContainText("c");
  await page.keyboard.press("Delete");
  await page.keyboard.press("Delete");
  await expect(page.getByRole("button", { name: "Add files" })).toBeFocused();
  await page.getByRole("button", { name: "Add our 2 demo tracks" }).click();
  await expect.poll(() => titles(page)).toEqual(["Demo one", "Demo two"]);
});

test("moves by pointer", async ({ page }) => {
  await openDialog(page);
  await page.evaluate(() => window.music.add(["a", "b", "c", "d"]));
  const grip = page.getByRole("button", { name: "Move “a” with the arrow keys" });
  await grip.hover();
  await page.mouse.down();
  const target = await rows(page).nth(2).boundingBox();
  await page.mouse.move(target!.x + target!.width - 80, target!.y + target!.height / 2, { steps: 4 });
  await expect(page.locator("[data-drop='after']")).toHaveCount(1);
  await page.mouse.up();
  await expect.poll(() => titles(page)).toEqual(["b", "c", "a", "d"]);
});

for (const [width, height] of [
  [360, 640],
  [1280, 800],
] as const) {
  test(`is accessible and fits ${width} × ${height}`, async ({ page }) => {
    await page.setViewportSize({ width, height });
    await openDialog(page);
    await page.evaluate(() =>
      window.music.add(Array.from({ length: 5000 }, (_, i) => `Song ${i} ${"x".repeat(i % 90)}`)),
    );
    for (const tab of ["Playlist", "FMA tracks"]) {
      await page.getByRole("tab", { name: tab }).click();
      await expect(rows(page).first()).toBeVisible();
      const { violations } = await new AxeBuilder({ page }).analyze();
      expect(violations.filter(({ impact }) => impact === "serious" || impact === "critical")).toEqual([]);
      const overflow = await page.locator("dialog").evaluate((box) => box.scrollWidth - box.clientWidth);
      expect(overflow).toBe(0);
      const box = await page.locator("dialog").boundingBox();
      expect(box!.x).toBeGreaterThanOrEqual(0);
      expect(box!.x + box!.width).toBeLessThanOrEqual(width);
    }
    expect(problems).toEqual([]);
  });
}
