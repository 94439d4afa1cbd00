/**
 * Every visual at five moments, quiet to loud, of three real songs with two mappings: `make gallery FMA_ROOT=DIR`.
 *
 *     node benchmarks/gallery.mjs --fma-root DIR [--out docs/images/gallery.jpg] [--thumbnails DIR]
 *
 * Draws the contact sheet, prints how bright the pictures are and how much they change, and fails where one is black,
 * blown out or the same all the time. `--thumbnails` draws the small pictures of the page's chooser, too.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ROOT, withPictures } from "./pictures.mjs";

/** Of these the first three are taken that the folder has. */
const GENRES = [
  "Electronic",
  "Jazz",
  "Rock",
  "Classical",
  "Folk",
  "Hip-Hop",
  "Blues",
  "International",
  "Pop",
];
const N_SONGS = 3;
const QUALITY = 0.86;
const [THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT] = [320, 180];

const [MIN_LUMA, MAX_LUMA] = [6, 200];
const [MAX_BLACK, MAX_WHITE] = [0.6, 0.1];
/** Between moments of a song, and between songs: less is frozen. */
const MIN_CHANGE = 2;

const { values: options } = parseArgs({
  options: {
    "fma-root": { type: "string", default: process.env.TFDEEPVIZ_FMA_ROOT },
    out: { type: "string", default: join(ROOT, "docs/images/gallery.jpg") },
    thumbnails: { type: "string" },
  },
});
if (!options["fma-root"]) {
  console.error("Name a folder with FMA's audio and metadata: --fma-root DIR, or make gallery FMA_ROOT=DIR.");
  process.exit(2);
}

const problems = await withPictures(resolve(options["fma-root"]), async (page) => {
  const found = [];
  const songs = await page.evaluate(([genres, n]) => window.gallery.hear(genres, n), [GENRES, N_SONGS]);
  songs.forEach((song) => console.log(song));
  if (songs.length < N_SONGS) throw new Error(`There must be tracks of ${N_SONGS} of ${GENRES.join(", ")}.`);
  const visuals = await page.evaluate(() => window.gallery.visuals);
  await page.evaluate((n) => window.gallery.begin(n), visuals.length);
  console.log("visual      luma          change   black   white");
  for (const [band, id] of visuals.entries()) {
    const tiles = await page.evaluate(([id, band]) => window.gallery.draw(id, band), [id, band]);
    found.push(...judge(id, tiles));
  }
  await save(options.out, await page.evaluate((quality) => window.gallery.sheet(quality), QUALITY));
  if (options.thumbnails !== undefined) {
    for (const id of visuals) {
      const picture = await page.evaluate(
        ([id, width, height]) => window.gallery.thumbnail(id, width, height),
        [id, THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT],
      );
      await save(join(options.thumbnails, `${id}.jpg`), picture);
    }
  }
  return found;
});
problems.forEach((problem) => console.error(problem));
process.exit(problems.length > 0 ? 1 : 0);

/** Print a line, and return what is wrong. */
function judge(id, tiles) {
  const range = (values) => [Math.min(...values), Math.max(...values)];
  const [darkest, brightest] = range(tiles.map(({ meanLuma }) => meanLuma));
  const changes = tiles.flatMap(({ change }) => change ?? []);
  const meanChange = changes.reduce((sum, value) => sum + value, 0) / changes.length;
  const black = Math.max(...tiles.map(({ blackShare }) => blackShare));
  const white = Math.max(...tiles.map(({ whiteShare }) => whiteShare));
  const percent = (share) => `${(100 * share).toFixed(0)} %`.padStart(6);
  console.log(
    id.padEnd(11),
    `${darkest.toFixed(0)} to ${brightest.toFixed(0)}`.padEnd(13),
    meanChange.toFixed(1).padStart(6),
    percent(black),
    percent(white),
  );
  return [
    [darkest < MIN_LUMA || black > MAX_BLACK, "is black somewhere"],
    [brightest > MAX_LUMA || white > MAX_WHITE, "is blown out somewhere"],
    [meanChange < MIN_CHANGE, "hardly changes with the music"],
  ].flatMap(([wrong, words]) => (wrong ? [`${id} ${words}.`] : []));
}

async function save(path, dataUrl) {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, Buffer.from(dataUrl.split(",")[1], "base64"));
  console.log(path);
}
