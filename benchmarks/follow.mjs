/**
 * The frames that benchmarks/follow.py measures: every picture, and its peers, drawn to clips in Chromium.
 *
 *     node benchmarks/follow.mjs plan.json
 *
 * A film is a file of raw RGB frames (uint8, [n, height, width, 3]). Its name tells what made it: films that are there
 * are not drawn again. Says what is done in lines of JSON, and ends when its standard input does.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { ROOT, withPictures } from "./pictures.mjs";

const FRONTEND = join(ROOT, "webapp/frontend");
const PAGE = join(FRONTEND, "e2e/gallery");
const VISUALS = join(FRONTEND, "src/visuals");
const NOT_FOLLOWED = [join(VISUALS, "index.ts"), join(PAGE, "peers.ts")];
const REGISTRY = join(ROOT, "webapp/registry");
const PEERS = join(ROOT, "build/peers");
const PACKAGES = ["butterchurn@2.6.7", "butterchurn-presets@2.4.7", "audiomotion-analyzer@4.5.4"];
const PRESETS = [
  ["Cauldron", "Geiss - Cauldron - painterly 2 (saturation remix)"],
  ["angel flight", "martin - angel flight"],
  ["sherwin maxawow", "Flexi, martin + geiss - dedicated to the sherwin maxawow"],
  ["liquid arrows", "Martin - liquid arrows"],
];

const plan = JSON.parse(readFileSync(process.argv[2], "utf8"));
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

mkdirSync(plan.films, { recursive: true });
process.stdin.resume().once("end", () => process.exit(1)); // nobody listens any longer
process.stdin.unref();
try {
  await withPictures(plan.fmaRoot, follow, { name: "follow", nPages: plan.nPages });
} catch (error) {
  console.error(`\n${error.message}`);
  process.exitCode = 1;
}

async function follow(...pages) {
  const pictures = await pages[0].evaluate(() => window.follow.pictures);
  for (const id of plan.pictures ?? []) {
    if (!pictures.includes(id))
      throw new Error(`There is no picture "${id}"; choose of ${pictures.join(", ")}.`);
  }
  const chosen = plan.pictures ?? pictures;
  const rows = chosen.flatMap((id) => [pictureRow(id, false), ...(plan.calm ? [pictureRow(id, true)] : [])]);
  if (plan.peers) {
    installPeers();
    rows.push(...peerRows());
  }
  say({
    kind: "plan",
    all: plan.pictures === null,
    rows: rows.map(({ name, kind }) => ({ name, kind })),
    nFilms: rows.length * plan.clips.length,
    nStrips: chosen.length * plan.strips.length,
  });
  const left = [...plan.clips];
  await Promise.all(
    pages.map(async (page) => {
      await prepare(page);
      for (let clip = left.shift(); clip !== undefined; clip = left.shift())
        await film(page, clip, rows, chosen);
    }),
  );
}

async function prepare(page) {
  await page.route("**/clip/*", (route) => {
    const path = join(plan.clipFolder, basename(new URL(route.request().url()).pathname));
    return route.fulfill({ path, contentType: "audio/wav" });
  });
  await page.evaluate(() => window.follow.start());
  if (!plan.peers) return;
  const modules = join(PEERS, "node_modules");
  await page.addScriptTag({ path: join(modules, "butterchurn/lib/butterchurn.min.js") });
  await page.addScriptTag({ path: join(modules, "butterchurn-presets/lib/butterchurnPresets.min.js") });
  await page.route("**/peers/**", (route) => {
    const { pathname } = new URL(route.request().url());
    const path = join(modules, pathname.replace(/^.*\/peers\//, ""));
    return route.fulfill({ path, contentType: "text/javascript" });
  });
}

/** Draw all rows of a clip, and the chosen pictures' strips. */
async function film(page, clip, rows, chosen) {
  let heard = false;
  /** Analyse the clip, but only where something has to be drawn. */
  const hear = async () => {
    if (!heard) await page.evaluate((urls) => window.follow.hear(urls), [clip.music, clip.silent].map(urlOf));
    heard = true;
  };
  const sound = [clip.music, clip.silent].map((path) => digest(readFileSync(path)));
  for (const row of rows) {
    const madeOf = [sound, row.key, plan.shots, row.alsoOf?.(clip)];
    const parts = await draw(`${clip.name}-${row.slug}`, madeOf, hear, () =>
      row.film(page, clip, plan.shots),
    );
    say({ kind: "film", row: row.name, clip: clip.name, ...parts });
  }
  for (const picture of plan.strips.includes(clip.name) ? chosen : []) {
    const madeOf = [sound, pictureRow(picture, false).key, plan.stripShot];
    const parts = await draw(`${clip.name}-${picture}-strip`, madeOf, hear, async () => ({
      strip: await filmPicture(page, clip.music, picture, false, plan.stripShot),
    }));
    say({ kind: "strip", row: picture, clip: clip.name, ...parts });
  }
}

function filmPicture(page, clip, id, calm, shot) {
  const shown = [urlOf(clip), id, calm, shot];
  return page.evaluate((shown) => window.follow.picture(...shown), shown);
}

/** Give a film's parts as paths, drawn unless they are there. */
async function draw(name, madeOf, hear, film) {
  const stem = `${name}-${digest(JSON.stringify(madeOf)).slice(0, 16)}`;
  const note = join(plan.films, `${stem}.json`); // written last: the film is complete
  if (plan.redo || !existsSync(note)) {
    for (const old of readdirSync(plan.films)) {
      if (old.startsWith(`${name}-`) && /^[0-9a-f]{16}\b/.test(old.slice(name.length + 1)))
        rmSync(join(plan.films, old));
    }
    await hear();
    const start = Date.now();
    const parts = Object.entries(await film());
    const drawMs = Date.now() - start;
    for (const [part, base64] of parts)
      writeFileSync(join(plan.films, `${stem}-${part}.rgb`), Buffer.from(base64, "base64"));
    writeFileSync(`${note}.part`, JSON.stringify({ drawMs, parts: parts.map(([part]) => part) }));
    renameSync(`${note}.part`, note);
  }
  const { drawMs, parts } = JSON.parse(readFileSync(note, "utf8"));
  return {
    drawMs,
    stem,
    ...Object.fromEntries(parts.map((part) => [part, join(plan.films, `${stem}-${part}.rgb`)])),
  };
}

function pictureRow(id, calm) {
  return {
    name: calm ? `${id}, calm` : id,
    kind: calm ? "calm" : "picture",
    slug: calm ? `${id}-calm` : `${id}-full`,
    key: keyOf(join(VISUALS, `${id}.ts`)),
    film: async (page, clip, shots) => ({
      music: await filmPicture(page, clip.music, id, calm, shots.music),
      silence: await filmPicture(page, clip.silent, id, calm, shots.silence),
    }),
  };
}

/** All of them go on from frame to frame, so music and silence are one film. */
function peerRows() {
  const whole = ({ music, silence }) => ({ ...music, count: music.count + silence.count });
  const halves = (film, { music }) => {
    const bytes = Buffer.from(film, "base64");
    const length = music.count * music.width * music.height * 3;
    const [before, after] = [bytes.subarray(0, length), bytes.subarray(length)];
    return { music: before.toString("base64"), silence: after.toString("base64") };
  };
  const peersKey = [keyOf(join(PAGE, "peers.ts")), PACKAGES];
  return [
    ...PRESETS.map(([title, preset]) => ({
      name: `butterchurn: ${title}`,
      kind: "peer",
      slug: `butterchurn-${title.replaceAll(" ", "-")}`,
      key: [peersKey, preset],
      film: async (page, clip, shots) => {
        const shown = [urlOf(clip.silent), preset, whole(shots)];
        return halves(await page.evaluate((shown) => window.follow.butterchurn(...shown), shown), shots);
      },
    })),
    {
      name: "audioMotion: third octaves",
      kind: "peer",
      slug: "audiomotion",
      key: peersKey,
      film: async (page, clip, shots) => {
        const shown = [urlOf(clip.silent), whole(shots)];
        return halves(await page.evaluate((shown) => window.follow.audioMotion(...shown), shown), shots);
      },
    },
    {
      name: "bar, by ten bands",
      kind: "peer",
      slug: "bar-bands",
      key: keyOf(join(VISUALS, "bar.ts")),
      alsoOf: (clip) => digest(readFileSync(clip.bands)),
      film: async (page, clip, shots) => {
        const { rows, stepSeconds } = JSON.parse(readFileSync(clip.bands, "utf8"));
        const shown = ["bar", rows, stepSeconds, whole(shots)];
        return halves(await page.evaluate((shown) => window.follow.driven(...shown), shown), shots);
      },
    },
  ];
}

function installPeers() {
  const installed = join(PEERS, "installed.json");
  const wanted = JSON.stringify(PACKAGES);
  if (existsSync(installed) && readFileSync(installed, "utf8") === wanted) return;
  mkdirSync(PEERS, { recursive: true });
  writeFileSync(join(PEERS, "package.json"), '{ "private": true }\n');
  const options = ["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", ...PACKAGES];
  execFileSync("npm", options, { cwd: PEERS, stdio: ["ignore", "ignore", "inherit"] });
  writeFileSync(installed, wanted);
}

function urlOf(path) {
  return `/clip/${basename(path)}`;
}

/**
 * Tells whether what draws a picture has changed: the page and the picture's file with all that they import, but for
 * the list of all pictures and the page's peers; the packages; and the model.
 */
function keyOf(path) {
  const found = new Set();
  const left = [join(PAGE, "follow.ts"), path];
  for (let file = left.pop(); file !== undefined; file = left.pop()) {
    if (found.has(file)) continue;
    found.add(file);
    left.push(...importsOf(file).filter((one) => !NOT_FOLLOWED.includes(one)));
  }
  const { name, latest } = JSON.parse(readFileSync(join(REGISTRY, "index.json"), "utf8")).bundles[0];
  const manifest = join(REGISTRY, name, String(latest), "manifest.json");
  const files = [...[...found].sort(), join(FRONTEND, "package-lock.json"), manifest];
  return digest(files.map((file) => `${relative(ROOT, file)} ${digest(readFileSync(file))}`).join("\n"));
}

/** Files of ours that one names, workers included. */
function importsOf(path) {
  const names = [...readFileSync(path, "utf8").matchAll(/["'](\.{1,2}\/[^"'\n]+)["']/g)].map(
    ([, name]) => name,
  );
  return names.flatMap((name) => {
    const file = resolve(dirname(path), name);
    return [file, `${file}.ts`, `${file}.tsx`].find((one) => /\.tsx?$/.test(one) && existsSync(one)) ?? [];
  });
}

function digest(content) {
  return createHash("sha256").update(content).digest("hex");
}
