/**
 * What the page decodes of many containers and codecs is what Python decodes: the same verdict and the same samples.
 * ffmpeg makes the files; TFDEEPVIZ_SOUNDS=FOLDER compares all files of a folder instead.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "@playwright/test";

const repository = fileURLToPath(new URL("../../..", import.meta.url));
const python = process.env.TFDEEPVIZ_PYTHON ?? join(repository, ".venv/bin/python");
const folder = process.env.TFDEEPVIZ_SOUNDS;

/** As tests/data/containers.py writes it. */
interface Case {
  readonly name: string;
  readonly path: string;
  readonly rateHz: number;
  readonly pcm: string | null;
  readonly error: string | null;
}

/** Chromium has no decoder for these. */
const NOT_IN_CHROMIUM = /alac|\.aiff?$|\.caf$/i;
/**
 * The page begins so many samples later: WebM counts in milliseconds, and Chromium rounds the 6.5 ms of silence with
 * which Opus begins up to 7.
 */
const LATER: Readonly<Record<string, number>> = { "opus.webm": 24 };
/** Samples that Chromium plays more where one Vorbis stream follows another: it keeps what ffmpeg 5 cuts off. */
const SEAM: Readonly<Record<string, number>> = { "chained.ogg": 448 };
const TOLERANCE = 1e-3;

function hasFfmpeg(): boolean {
  try {
    execFileSync("ffmpeg", ["-version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

test("every container and codec gives the page what it gives Python", async ({ page, baseURL }) => {
  test.skip(!hasFfmpeg(), "needs ffmpeg");
  test.setTimeout(folder === undefined ? 90_000 : 600_000);
  const out = mkdtempSync(join(tmpdir(), "tfdeepviz-containers-"));
  try {
    const options = folder === undefined ? [] : ["--folder", folder];
    execFileSync(python, ["-m", "tests.data.containers", out, ...options], {
      cwd: repository,
      stdio: "pipe",
    });
    const cases = JSON.parse(readFileSync(join(out, "cases.json"), "utf8")) as Case[];
    expect(cases.length).toBeGreaterThan(0);

    const harness = new URL(baseURL ?? "");
    harness.port = String(Number(harness.port) + 1); // playwright.config.ts
    await page.route("**/containers/*/*", (route) => {
      const [index, which] = new URL(route.request().url()).pathname.split("/").slice(-2);
      const { path, pcm } = cases[Number(index)]!;
      return route.fulfill({ path: which === "file" ? path : (pcm ?? "") });
    });
    await page.goto(harness.origin);
    await page.waitForFunction(() => "analysisHarness" in window);

    const wrong: string[] = [];
    const table = [["file", "Python", "page", "largest difference"]];
    for (const [index, { name, rateHz, pcm, error }] of cases.entries()) {
      const result = await page.evaluate(
        async ({ index, name, rateHz, decodedByPython, later, seam }) => {
          const read = async (which: string) => (await fetch(`/containers/${index}/${which}`)).arrayBuffer();
          try {
            const file = new File([await read("file")], name);
            const { samples } = (await window.analysisHarness.decodeTrack(file, { sampleRateHz: rateHz }))
              .pcm;
            if (!decodedByPython)
              return { length: samples.length, expected: 0, difference: NaN, failure: "" };
            const expected = new Float32Array(await read("pcm"));
            const half = seam > 0 ? expected.length / 2 : Infinity;
            const compared = Math.min(samples.length - seam, expected.length - later);
            let difference = 0;
            for (let i = 0; i < compared; i++) {
              // Around the seam the blocks overlap.
              if (Math.abs(i - half) < 2_048) continue;
              const inPage = samples[i < half ? i : i + seam] ?? NaN;
              difference = Math.max(difference, Math.abs(inPage - (expected[i + later] ?? NaN)));
            }
            return {
              length: samples.length,
              expected: expected.length - later + seam,
              difference,
              failure: "",
            };
          } catch (error) {
            const { reason, message } = error as { reason?: string; message: string };
            return {
              length: 0,
              expected: 0,
              difference: NaN,
              failure: `${reason ?? "unexpected"}: ${message}`,
            };
          }
        },
        {
          index,
          name,
          rateHz,
          decodedByPython: pcm !== null,
          later: LATER[name] ?? 0,
          seam: SEAM[name] ?? 0,
        },
      );
      const { length, expected, difference, failure } = result;
      const same =
        pcm === null || failure !== ""
          ? !failure.startsWith("unexpected") &&
            (NOT_IN_CHROMIUM.test(name) || (pcm === null) === (failure !== ""))
          : Math.abs(length - expected) <= 1 && difference <= TOLERANCE; // resampling rounds the length
      if (!same) wrong.push(name);
      const notes = [
        difference.toExponential(1),
        ...(LATER[name] === undefined ? [] : [`page begins ${LATER[name]} samples later`]),
        ...(SEAM[name] === undefined ? [] : [`${SEAM[name]} samples more at the seam`]),
      ];
      table.push([
        `${same ? "" : "DIFFERS "}${name}`,
        error === null ? "plays" : (error.split(":")[0] ?? ""),
        failure === "" ? `plays ${length}` : (failure.split(":")[0] ?? ""),
        Number.isNaN(difference) ? "" : notes.join(", "),
      ]);
    }
    process.stdout.write(table.map((row) => `| ${row.join(" | ")} |\n`).join(""));
    expect(wrong).toEqual([]);
  } finally {
    rmSync(out, { recursive: true });
  }
});
