/** The page on which benchmarks/gallery.mjs draws songs and benchmarks/frames.mjs measures visuals. */
import { AnalysisClient } from "../../src/analysis/client";
import { findMapping, loadRegistry, type Mapping } from "../../src/bundle";
import { fetchFmaIndex, type FmaTrack } from "../../src/library/fma";
import type { ParameterTrack } from "../../src/mapping/track";
import { hidesImportance, PROJECTION_WORDS } from "../../src/ui/listening";
import { MusicFrames } from "../../src/ui/music-frames";
import { VISUALS } from "../../src/visuals";
import { createPicture } from "../../src/visuals/picture";
import { frameAt, music } from "../visuals/frames";
import { analyse, connect, definitionOf } from "./hearing";

const SEED = 1;
/** Drawn larger than shown: the edges are smooth. */
const [TILE_WIDTH, TILE_HEIGHT, OVERSAMPLING] = [168, 96, 2];
/** From a quiet moment of the song to a loud one. */
const LOUDNESS_RANKS = [0.03, 0.25, 0.5, 0.75, 0.97];
const WINDOW_SECONDS = 1;
const MARGIN_SECONDS = 2;
const GAP = 6;
const HEAD = 30;
const FOOT = 8;

interface Song extends FmaTrack {
  readonly parameters: ParameterTrack;
  readonly moments: readonly number[];
}

interface Tile {
  readonly song: string;
  readonly mapping: string;
  readonly momentSeconds: number;
  /** 0 to 255. */
  readonly meanLuma: number;
  readonly blackShare: number;
  readonly whiteShare: number;
  /** From the moment before in the row; null at its begin. */
  readonly change: number | null;
}

let client: AnalysisClient;
const songs: Song[] = [];
const sheet = document.createElement("canvas");

const gallery = {
  visuals: VISUALS.map(({ id }) => id),

  /** Analyse one track of each of the genres, as far as the server's FMA folder has them. */
  async hear(genres: readonly string[], nSongs: number): Promise<string[]> {
    const [first] = (await loadRegistry("/registry/")).bundles;
    const index = await fetchFmaIndex(new URL("/fma/index.json", location.href).href);
    if (!first || !index) throw new Error("The server has no model or no FMA tracks.");
    client = await AnalysisClient.start(first.latestUrl);
    const { audio } = client.bundle;
    const found = genres.flatMap((genre) => index.tracks.find((track) => track.genre === genre) ?? []);
    for (const track of found.slice(0, nSongs)) {
      const { parameters, samples } = await analyse(client, `/fma/${track.id}.mp3`);
      songs.push({ ...track, parameters, moments: momentsOf(samples, audio.sampleRateHz) });
    }
    return songs.map(({ title, artist, genre, licence }) => `${genre}: ${title}, ${artist} (${licence})`);
  },

  /** Make room for the visuals' bands. */
  begin(nVisuals: number): void {
    const width = 2 * LOUDNESS_RANKS.length * TILE_WIDTH + 3 * GAP;
    sheet.width = width;
    sheet.height = nVisuals * bandHeight();
    const context = sheet.getContext("2d", { willReadFrequently: true });
    if (context) context.imageSmoothingQuality = "high";
    if (context) context.fillStyle = "#121016";
    context?.fillRect(0, 0, width, nVisuals * bandHeight());
  },

  /** Draw a visual's band: a row for each song, five moments with the model's own mapping, five with another one. */
  draw(id: string, band: number): Tile[] {
    const definition = definitionOf(id);
    const context = sheet.getContext("2d", { willReadFrequently: true });
    if (!context) throw new Error("The sheet cannot be drawn on.");
    const top = band * bandHeight();
    const mappings = twoMappings();
    context.fillStyle = "#f4f2f6";
    context.font = "600 15px system-ui, sans-serif";
    context.fillText(definition.title, GAP, top + 20);
    context.font = "13px system-ui, sans-serif";
    context.fillStyle = "#b9b5c2";
    const secondHalf = LOUDNESS_RANKS.length * TILE_WIDTH + 2 * GAP;
    mappings.forEach((mapping, i) => {
      const words = `${PROJECTION_WORDS[mapping.projection.name][0]}: quiet to loud`;
      context.fillText(words, i === 0 ? 170 : secondHalf, top + 20);
    });
    const canvas = document.createElement("canvas");
    let nowSeconds = 0;
    const picture = createPicture(definition, { canvas, seed: SEED, calm: false }, () => nowSeconds);
    picture.resize(TILE_WIDTH, TILE_HEIGHT, OVERSAMPLING);
    const tiles: Tile[] = [];
    songs.forEach(({ title, genre, parameters, moments }, row) => {
      mappings.forEach((mapping, half) => {
        const wires = connect(client, parameters, mapping, definition);
        const frames = new MusicFrames();
        let before: Float32Array | null = null;
        moments.forEach((momentSeconds, column) => {
          nowSeconds += 10; // the flash limiter looks at seconds, and these pictures are no sequence
          picture.render(frames.hear(parameters, wires, momentSeconds));
          const x = (half === 0 ? GAP : secondHalf) + column * TILE_WIDTH;
          const y = top + HEAD + row * TILE_HEIGHT;
          context.drawImage(canvas, x, y, TILE_WIDTH - 2, TILE_HEIGHT - 2);
          const luma = lumaOf(canvas);
          const change = before && meanDifference(luma, before);
          before = luma;
          tiles.push({
            song: `${genre}: ${title}`,
            mapping: mapping.projection.name,
            momentSeconds,
            meanLuma: luma.reduce((sum, value) => sum + value, 0) / luma.length,
            blackShare: luma.filter((value) => value < 4).length / luma.length,
            whiteShare: luma.filter((value) => value > 250).length / luma.length,
            change,
          });
        });
      });
    });
    picture.dispose();
    return tiles;
  },

  sheet: (quality: number): string => sheet.toDataURL("image/jpeg", quality),

  /** A small picture for the page's chooser. */
  thumbnail(id: string, width: number, height: number): string {
    const definition = definitionOf(id);
    const [song] = songs;
    if (!song) throw new Error("No song was heard.");
    const wires = connect(client, song.parameters, findMapping(client.bundle), definition);
    const canvas = document.createElement("canvas");
    const picture = createPicture(definition, { canvas, seed: SEED, calm: false }, () => 0);
    picture.resize(2 * width, 2 * height, 1);
    picture.render(new MusicFrames().hear(song.parameters, wires, song.moments[3] ?? 0));
    const small = document.createElement("canvas");
    [small.width, small.height] = [width, height];
    small.getContext("2d")?.drawImage(canvas, 0, 0, width, height);
    picture.dispose();
    return small.toDataURL("image/jpeg", 0.82);
  },

  /**
   * Milliseconds that the main thread needs for each frame.
   *
   * The picture is small and the graphics card is waited for outside of the measured time, so that a processor which
   * plays the graphics card holds nothing up.
   */
  measure(id: string, nFrames: number, nWarmUp: number): number[] {
    const canvas = document.createElement("canvas");
    let nowSeconds = 0;
    const options = { canvas, seed: SEED, calm: false };
    const picture = createPicture(definitionOf(id), options, () => nowSeconds);
    picture.resize(64, 36, 1);
    const gl = canvas.getContext("webgl2");
    const pixel = new Uint8Array(4);
    const spent: number[] = [];
    for (let frame = 0; frame < nWarmUp + nFrames; frame++) {
      nowSeconds = 30 + frame / 60;
      const shown = frameAt(music(nowSeconds));
      const start = performance.now();
      picture.render(shown);
      if (frame >= nWarmUp) spent.push(performance.now() - start);
      gl?.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
    }
    picture.dispose();
    return spent;
  },
};

export type Gallery = typeof gallery;

declare global {
  interface Window {
    gallery: Gallery;
  }
}

window.gallery = gallery;

function bandHeight(): number {
  return HEAD + songs.length * TILE_HEIGHT + FOOT;
}

/** The model's own mapping, and the first with another projection that does not hide what it sorts by. */
function twoMappings(): readonly [Mapping, Mapping] {
  const own = findMapping(client.bundle);
  const others = client.bundle.mappings.projections
    .filter(({ name }) => name !== own.projection.name && name !== "random")
    .flatMap((projection) => projection.scalings.map((scaling) => ({ projection, scaling })));
  const other = others.find(
    ({ projection: { name }, scaling: { mode, method } }) =>
      method === own.scaling.method && !hidesImportance({ projection: name, mode, method }),
  );
  if (!other) throw new Error("The model offers one mapping only.");
  return [own, other];
}

/** Moments of five degrees of loudness, away from the track's ends. */
function momentsOf(pcm: Float32Array, sampleRateHz: number): number[] {
  const size = WINDOW_SECONDS * sampleRateHz;
  const margin = Math.ceil(MARGIN_SECONDS / WINDOW_SECONDS);
  const windows = Array.from({ length: Math.floor(pcm.length / size) }, (_, k) => ({
    seconds: (k + 0.5) * WINDOW_SECONDS,
    power: pcm.subarray(k * size, (k + 1) * size).reduce((sum, value) => sum + value * value, 0),
  }))
    .slice(margin, -margin)
    .sort((a, b) => a.power - b.power);
  return LOUDNESS_RANKS.map((rank) => windows[Math.floor(rank * windows.length)]?.seconds ?? 0);
}

function lumaOf(canvas: HTMLCanvasElement): Float32Array {
  const small = document.createElement("canvas");
  [small.width, small.height] = [TILE_WIDTH, TILE_HEIGHT];
  const context = small.getContext("2d", { willReadFrequently: true });
  context?.drawImage(canvas, 0, 0, TILE_WIDTH, TILE_HEIGHT);
  const data = context?.getImageData(0, 0, TILE_WIDTH, TILE_HEIGHT).data ?? new Uint8ClampedArray();
  return Float32Array.from({ length: data.length / 4 }, (_, i) => {
    const [red = 0, green = 0, blue = 0] = data.subarray(4 * i, 4 * i + 3);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  });
}

function meanDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + Math.abs(value - (b[i] ?? 0)), 0) / a.length;
}
