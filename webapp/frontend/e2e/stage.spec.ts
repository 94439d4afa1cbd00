import { expect, test, type Page } from "@playwright/test";
import { clickControl, dropFiles, expectState, load, watchProblems } from "./pages";
import { wav } from "./sounds";

/** The canvas in the page: what happens when its size, its screen, its picture or its graphics context changes. */

// Software draws the picture where tests run.
test.use({ viewport: { width: 400, height: 320 } });

const problems = watchProblems();

const stage = (page: Page) => page.locator("#stage");
const alert = (page: Page) => page.getByRole("alert");
const song = wav({ seconds: 60, sampleRateHz: 22050, channels: 1 });

async function play(page: Page): Promise<void> {
  await dropFiles(page, ["song.wav"], song);
  await expectState(page, "playing");
}

/** Pixels of the drawing buffer for each CSS pixel. */
const density = (page: Page, selector: string) =>
  page
    .locator(selector)
    .evaluate((canvas: HTMLCanvasElement) => canvas.width / canvas.getBoundingClientRect().width);

/** Draw a frame, and look whether anything but black is on the canvas. */
const isDrawn = (page: Page) =>
  stage(page).evaluate(
    (canvas: HTMLCanvasElement) =>
      new Promise<boolean>((resolve) =>
        requestAnimationFrame(() => {
          const small = new OffscreenCanvas(16, 16).getContext("2d")!;
          small.drawImage(canvas, 0, 0, 16, 16);
          resolve(small.getImageData(0, 0, 16, 16).data.some((value, i) => i % 4 < 3 && value > 3));
        }),
      ),
  );

/** From now on, whatever is drawn goes wrong like that. */
const breakGraphics = (page: Page, how: "throws" | "does not compile" | null) =>
  page.evaluate((how) => Object.assign(window, { how }), how);

test("a new size never shows an empty canvas", async ({ page }) => {
  await page.addInitScript(() => {
    // What is on the canvas when the browser shows the page: emptied by a new size, full after something is drawn.
    let empty = false;
    const shown: boolean[] = [];
    const width = Object.getOwnPropertyDescriptor(HTMLCanvasElement.prototype, "width")!;
    Object.defineProperty(HTMLCanvasElement.prototype, "width", {
      ...width,
      set(this: HTMLCanvasElement, value: number) {
        width.set!.call(this, value);
        if (this.id === "stage") empty = true;
      },
    });
    const gl = WebGL2RenderingContext.prototype as unknown as Record<string, (...all: unknown[]) => void>;
    for (const name of ["drawArrays", "drawElements"]) {
      const draw = gl[name]!;
      gl[name] = function (...all) {
        empty = false;
        draw.apply(this, all);
      };
    }
    const channel = new MessageChannel(); // its messages come after the frame
    channel.port1.onmessage = () => shown.push(empty);
    const watch = () => {
      channel.port2.postMessage(null);
      requestAnimationFrame(watch);
    };
    requestAnimationFrame(watch);
    Object.assign(window, { emptyFrames: () => shown.filter(Boolean).length });
  });
  await load(page);
  await expect.poll(() => density(page, "#stage")).toBe(1);
  const emptyFrames = () =>
    page.evaluate(() => (window as unknown as { emptyFrames(): number }).emptyFrames());
  const before = await emptyFrames();
  for (let width = 390; width > 330; width -= 10) {
    await page.setViewportSize({ width, height: 320 });
    await expect(stage(page)).toHaveJSProperty("width", width);
  }
  expect(await emptyFrames()).toBe(before);
});

test("the picture and the outline follow a screen of another density", async ({ page }) => {
  // The protocol changes the density and does not tell the page's media queries, as moving a window does.
  await page.addInitScript(() => {
    const lists: MediaQueryList[] = [];
    const match = window.matchMedia.bind(window);
    window.matchMedia = (query) => {
      const list = match(query);
      if (query.includes("resolution")) lists.push(list);
      return list;
    };
    const tell = () => [...lists].forEach((list) => list.dispatchEvent(new Event("change")));
    Object.assign(window, { tell });
  });
  await load(page);
  await play(page);
  await page.keyboard.press("Space");
  for (const selector of ["#stage", ".waveform"]) {
    await expect.poll(() => density(page, selector)).toBeCloseTo(1, 1);
  }
  const session = await page.context().newCDPSession(page);
  for (const deviceScaleFactor of [2, 1.5]) {
    const metrics = { width: 400, height: 320, deviceScaleFactor, mobile: false };
    await session.send("Emulation.setDeviceMetricsOverride", metrics);
    await page.evaluate(() => (window as unknown as { tell(): void }).tell());
    for (const selector of ["#stage", ".waveform"]) {
      await expect.poll(() => density(page, selector), selector).toBeCloseTo(deviceScaleFactor, 1);
    }
  }
});

test.describe("a picture that fails", () => {
  test.beforeEach(async ({ page }) => {
    await page.addInitScript(() => {
      const how = () => (window as unknown as { how?: string }).how;
      const gl = WebGL2RenderingContext.prototype as unknown as Record<string, (...all: unknown[]) => void>;
      const [shaderSource, bindVertexArray] = [gl.shaderSource!, gl.bindVertexArray!];
      gl.shaderSource = function (shader, source) {
        shaderSource.call(this, shader, how() === "does not compile" ? "no GLSL" : source);
      };
      gl.bindVertexArray = function (array) {
        if (how() === "throws") throw new Error("Out of colours.");
        bindVertexArray.call(this, array);
      };
    });
  });

  for (const how of ["throws", "does not compile"] as const) {
    test(`is said once where it ${how}, the meters take its place, and another one draws`, async ({
      page,
    }) => {
      await load(page);
      await play(page);
      await breakGraphics(page, how);
      await page.keyboard.press("n");
      const reason = how === "throws" ? "Out of colours" : "The graphics driver rejected a shader: ";
      await expect(alert(page)).toContainText(`The picture “Stones in space” failed (${reason}`);
      const meters = page.locator(".no-picture").getByRole("meter");
      await expect(meters).toHaveCount(10);
      await expect(stage(page)).toHaveCSS("opacity", "0"); // and not what was drawn last
      const values = () => meters.evaluateAll((all) => all.map((one) => one.getAttribute("aria-valuenow")));
      const first = await values();
      await expect.poll(values).not.toEqual(first);
      await expect(page.locator(".notice")).toHaveCount(1);
      expect(problems).toHaveLength(1);
      expect(problems.pop()).toContain(reason);

      await breakGraphics(page, null);
      await page.keyboard.press("n");
      await expect(page.getByRole("img", { name: "Picture: Crystals" })).toBeVisible();
      await expect(meters).toHaveCount(0);
      await expect(stage(page)).toHaveCSS("opacity", "1");
      await expect(page.locator(".notice")).toHaveCount(0);
      await expect.poll(() => isDrawn(page)).toBe(true);
      await expectState(page, "playing");
    });
  }

  test("is tried again when asked", async ({ page }) => {
    await load(page);
    await breakGraphics(page, "throws");
    await page.keyboard.press("n");
    await expect(alert(page)).toContainText("failed (Out of colours). Choose another picture.");
    problems.length = 0;
    await play(page); // which takes nothing away that still holds
    await breakGraphics(page, null);
    await clickControl(page.getByRole("button", { name: "Try again" }));
    await expect.poll(() => isDrawn(page)).toBe(true);
    await expect(alert(page)).toBeEmpty();
  });
});

test.describe("a graphics context that is lost", () => {
  /** The driver's part is played by the extension that browsers have for it. */
  const lose = (page: Page) =>
    stage(page).evaluate((canvas: HTMLCanvasElement) => {
      const extension = canvas.getContext("webgl2")!.getExtension("WEBGL_lose_context")!;
      Object.assign(window, { giveBack: () => extension.restoreContext() });
      extension.loseContext();
    });

  test("comes back, and the picture with it", async ({ page }) => {
    await load(page);
    await expect.poll(() => isDrawn(page)).toBe(true);
    await stage(page).evaluate((canvas) => canvas.classList.add("first"));
    await lose(page);
    await expect.poll(() => isDrawn(page)).toBe(false);
    await page.evaluate(() => (window as unknown as { giveBack(): void }).giveBack());
    await expect.poll(() => isDrawn(page)).toBe(true);
    await expect(stage(page)).toHaveClass("first");
    await expect(page.locator(".notice")).toHaveCount(0);
  });

  test("before anything was drawn is no fault of the picture", async ({ page }) => {
    await page.addInitScript(() => {
      const canvas = HTMLCanvasElement.prototype as unknown as Record<string, (...all: unknown[]) => unknown>;
      const getContext = canvas.getContext!;
      let lost = false;
      canvas.getContext = function (...all) {
        const context = getContext.apply(this, all);
        if (context instanceof WebGL2RenderingContext && !lost) {
          lost = true;
          const extension = context.getExtension("WEBGL_lose_context")!;
          Object.assign(window, { giveBack: () => extension.restoreContext() });
          extension.loseContext();
        }
        return context;
      };
    });
    await load(page);
    await page.keyboard.press("n"); // nor of another one
    await expect(page.getByRole("img", { name: "Picture: Stones in space" })).toBeVisible();
    await expect(page.locator(".notice")).toHaveCount(0);
    await page.evaluate(() => (window as unknown as { giveBack(): void }).giveBack());
    await expect.poll(() => isDrawn(page)).toBe(true);
    await expect(page.locator(".notice")).toHaveCount(0);
  });

  test("and does not come back makes room for another, and then for words", async ({ page }) => {
    await page.setViewportSize({ width: 800, height: 320 }); // room for the button
    await page.clock.install();
    await load(page);
    await play(page);
    const smallWindow = page.getByRole("button", { name: "Picture in its own small window" });
    await clickControl(smallWindow);
    await expect(smallWindow).toHaveAttribute("aria-pressed", "true");
    await stage(page).evaluate((canvas) => canvas.classList.add("first"));
    await lose(page);
    await page.clock.runFor(6000);
    await expect(stage(page)).not.toHaveClass("first");
    await expect(smallWindow).toHaveAttribute("aria-pressed", "true");
    const isInWindow = (canvas: HTMLCanvasElement) => {
      const { srcObject } = document.pictureInPictureElement as HTMLVideoElement;
      const [shown] = (srcObject as MediaStream).getVideoTracks();
      return (shown as CanvasCaptureMediaStreamTrack).canvas === canvas;
    };
    expect(await stage(page).evaluate(isInWindow)).toBe(true);
    await expect.poll(() => density(page, "#stage")).toBe(1);
    await page.clock.runFor(500);
    await expect(page.locator(".notice")).toHaveCount(0);
    await expectState(page, "playing");

    await lose(page);
    await page.clock.runFor(6000);
    await expect(alert(page)).toContainText("The graphics driver stopped and has not recovered.");
    await expect(page.locator(".no-picture").getByRole("meter")).toHaveCount(10);
    await clickControl(page.getByRole("button", { name: "Reload the page" }));
    await expectState(page, "welcome");
  });

  test("and cannot be had again either is said at once", async ({ page }) => {
    await page.clock.install();
    await load(page);
    await lose(page);
    await page.evaluate(() => {
      HTMLCanvasElement.prototype.getContext = () => null;
    });
    await page.clock.runFor(6000);
    await expect(alert(page)).toContainText("This browser gives the page no WebGL 2 context");
    await expect(page.getByRole("button", { name: "Reload the page" })).toBeVisible();
  });
});
