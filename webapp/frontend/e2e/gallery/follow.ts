/** The page on which benchmarks/follow.mjs draws pictures and their peers beside clips, frame by frame. */
import { AnalysisClient } from "../../src/analysis/client";
import { findMapping, loadRegistry, type Mapping } from "../../src/bundle";
import { ParameterTrack } from "../../src/mapping/track";
import { OffscreenPicture } from "../../src/recording/picture";
import { MusicFrames } from "../../src/ui/music-frames";
import { wiresFor } from "../../src/ui/wiring";
import { VISUALS } from "../../src/visuals";
import { createPicture } from "../../src/visuals/picture";
import { N_PARAMETERS } from "../../src/visuals/visual";
import { inBase64, readPixels, type Shot } from "./film";
import { analyse, connect, definitionOf, type Song } from "./hearing";
import { filmAudioMotion, filmButterchurn } from "./peers";

const SEED = 1;

let client: AnalysisClient;
/** By address. */
const songs = new Map<string, Song>();

const follow = {
  pictures: VISUALS.map(({ id }) => id),

  /** Load the model that the playground opens with. */
  async start(): Promise<void> {
    const [first] = (await loadRegistry("/registry/")).bundles;
    if (!first) throw new Error("The server has no model.");
    client = await AnalysisClient.start(first.latestUrl);
  },

  /** Analyse a clip, and let go of those before. */
  async hear(urls: readonly string[]): Promise<void> {
    songs.clear();
    for (const url of urls) songs.set(url, await analyse(client, url));
  },

  /** Draw a picture, as the playground opens with it. */
  picture(url: string, id: string, calm: boolean, shot: Shot): Promise<string> {
    const { parameters } = songOf(url);
    const definition = definitionOf(id);
    const wires = connect(client, parameters, findMapping(client.bundle), definition);
    return film(id, calm, shot, (frames, seconds) => frames.hear(parameters, wires, seconds));
  },

  /** Draw a picture with ten numbers that are given at even steps, shape [n, 10]. */
  driven(id: string, rows: readonly (readonly number[])[], stepSeconds: number, shot: Shot): Promise<string> {
    const parameters = trackOf(rows, stepSeconds);
    const wires = wiresFor(parameters.order);
    return film(id, false, shot, (frames, seconds) => frames.hear(parameters, wires, seconds));
  },

  butterchurn(url: string, preset: string, shot: Shot): Promise<string> {
    return filmButterchurn(songOf(url).samples, client.bundle.audio.sampleRateHz, preset, shot);
  },

  audioMotion(url: string, shot: Shot): Promise<string> {
    return filmAudioMotion(songOf(url).samples, client.bundle.audio.sampleRateHz, shot);
  },
};

export type Follow = typeof follow;

declare global {
  interface Window {
    follow: Follow;
  }
}

window.follow = follow;

function songOf(url: string): Song {
  const song = songs.get(url);
  if (!song) throw new Error(`${url} was not heard.`);
  return song;
}

type Hear = (frames: MusicFrames, seconds: number) => ReturnType<MusicFrames["hear"]>;

function film(id: string, calm: boolean, shot: Shot, hear: Hear): Promise<string> {
  const { width, height, first, count, every, framesPerSecond } = shot;
  const frames = new MusicFrames();
  const picture = new OffscreenPicture(
    (canvas, now) => createPicture(definitionOf(id), { canvas, seed: SEED, calm }, now),
    { width, height },
  );
  const gl = picture.canvas.getContext("webgl2");
  if (!gl) throw new Error("The picture has no WebGL 2 context.");
  const size = 3 * width * height;
  const film = new Uint8Array(size * Math.ceil(count / every));
  try {
    for (let frame = 0; frame < count; frame++) {
      // All are drawn: the flash limiter looks at what was shown before.
      picture.draw(hear(frames, (first + frame) / framesPerSecond));
      if (frame % every === 0) readPixels(gl, width, height, film.subarray((size * frame) / every));
    }
  } finally {
    picture.dispose();
  }
  return inBase64(film);
}

/** A track whose parameters are rows, and between them what lies between. */
function trackOf(rows: readonly (readonly number[])[], stepSeconds: number): ParameterTrack {
  const encoder = "rows";
  const ones = Array<number>(N_PARAMETERS).fill(1);
  const mapping: Mapping = {
    projection: {
      name: "raw",
      parts: [{ encoder, encodingSize: N_PARAMETERS, steps: [], size: N_PARAMETERS }],
      scalings: [],
    },
    scaling: { mode: "features", method: "minmax", gain: ones, offset: ones.map(() => 0) },
  };
  const track = new ParameterTrack({
    encoders: [
      {
        name: encoder,
        encodingSize: N_PARAMETERS,
        axis: { firstSeconds: 0, stepSeconds, count: rows.length },
      },
    ],
    durationSeconds: rows.length * stepSeconds,
    mapping,
    time: { interpolation: "linear", attack: 0, release: 0, tickSeconds: stepSeconds, lookAheadSeconds: 0 },
  });
  const encodings = Float32Array.from(rows.flat());
  track.add({ encoder, first: 0, count: rows.length, encodings, size: N_PARAMETERS });
  return track;
}
