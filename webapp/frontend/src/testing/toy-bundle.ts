/**
 * A bundle small enough to read: its "MFCC" of a frame are the sums of its two halves, its encodings the first and the
 * last number of a segment, and its genres follow from them. For tests only.
 */
import type { AnalysisOptions } from "../analysis/run";
import type { EncodingBlock } from "../mapping/track";

/** Files by path, as the server would give them. */
export type ToyFiles = Map<string, Uint8Array<ArrayBuffer>>;

export interface ToyOptions {
  readonly topDb?: number | null;
  /** A second encoder, `wide`, that looks at more at a time and less often: the default mapping takes both. */
  readonly wide?: boolean;
  /** The encoder `toy` is a classifier's. */
  readonly classifier?: boolean;
  /** As `wide`, an encoder `tagger` that looks at 1.8 s at a time, and tells genres and tags. */
  readonly tagger?: boolean;
  /** Where the front end is: in the bundle, or where a registry keeps it for several. */
  readonly sharedFrontend?: boolean;
  /** Step of the encoder `toy`. */
  readonly stepSeconds?: number;
  /** Of the sound; a frame is four samples at any rate. */
  readonly sampleRateHz?: number;
  /** Change the JSON of a file before it is listed: `edit("manifest.json", (json) => ...)`. */
  readonly edit?: Readonly<Record<string, (json: Json) => unknown>>;
}

export type Json = Record<string, unknown>;

export const TOY_URL = "http://toy.test/registry/toy/1/";
const FRONTEND = "frontend/";
const HOP = 4;
const N_FFT = 8;
const SAMPLE_RATE_HZ = 100;
const SIZE = 2;
const GENRES = ["Calm", "Loud", "Odd"];
const TAGS = ["slow", "guitar", "beat", "choir"];
/** Logits of the genres by the numbers of an encoding, [SIZE, GENRES.length]. */
const HEAD = [
  [1, 0, -1],
  [0, 2, 0.5],
];
/** As `HEAD`, of the tags. */
const TAG_HEAD = [
  [2, -1, 0, 1],
  [0, 1, -3, 0.5],
];
/** The manifest's descriptors. */
export const TOY_DESCRIPTORS = [
  { kind: "mood", name: "calm", tags: [0], typical: 0.5, spread: 0.25 },
  { kind: "instrument", name: "guitar", tags: [1, 2], typical: 0, spread: 2 },
  { kind: "voice", name: "choir", tags: [3], typical: -9, spread: 1 },
];

/** What differs between the toy's encoders, in frames. */
export interface ToyEncoder {
  readonly name: string;
  readonly windowFrames: number;
  readonly hopFrames: number;
  readonly genres?: readonly string[];
  readonly tags?: readonly string[];
}

/** The encoders of a toy, in the manifest's order. */
export function toyEncoders({
  wide = false,
  classifier = false,
  tagger = false,
  sampleRateHz = SAMPLE_RATE_HZ,
  stepSeconds = (2 * HOP) / sampleRateHz,
}: ToyOptions = {}): ToyEncoder[] {
  const toy = {
    name: "toy",
    windowFrames: 3,
    hopFrames: Math.round((stepSeconds * sampleRateHz) / HOP),
    ...(classifier && { genres: GENRES }),
  };
  return [
    ...(wide ? [{ name: "wide", windowFrames: 6, hopFrames: 5 }] : []),
    ...(tagger ? [{ name: "tagger", windowFrames: 45, hopFrames: 10, genres: GENRES, tags: TAGS }] : []),
    toy,
  ];
}

const tensor = (name: string) => ({ name, op: "Placeholder", attr: { dtype: { type: "DT_FLOAT" } } });
const constant = (name: string, dtype: string, shape: number[]) => ({
  name,
  op: "Const",
  attr: {
    dtype: { type: dtype },
    value: { tensor: { dtype, tensorShape: { dim: shape.map((size) => ({ size: String(size) })) } } },
  },
});
const matMul = (name: string, a: string, b: string) =>
  node(name, "MatMul", [a, b], {
    T: { type: "DT_FLOAT" },
    transpose_a: { b: false },
    transpose_b: { b: false },
  });
const node = (name: string, op: string, input: string[], attr: Json = { T: { type: "DT_FLOAT" } }) => ({
  name,
  op,
  input,
  attr,
});

interface Weight {
  readonly name: string;
  readonly shape: number[];
  readonly dtype: "float32" | "int32";
  readonly values: number[];
}

function model(
  nodes: Json[],
  inputs: string[],
  outputs: string[],
  weights: Weight[],
): [Json, Uint8Array<ArrayBuffer>] {
  const bytes = weights.map(
    ({ dtype, values }) =>
      new Uint8Array((dtype === "float32" ? Float32Array : Int32Array).from(values).buffer),
  );
  const shard = new Uint8Array(bytes.reduce((length, part) => length + part.length, 0));
  bytes.reduce((offset, part) => (shard.set(part, offset), offset + part.length), 0);
  const info = (names: string[]) =>
    Object.fromEntries(names.map((name) => [name, { name: `${name}:0`, dtype: "DT_FLOAT" }]));
  return [
    {
      format: "graph-model",
      signature: { inputs: info(inputs), outputs: info(outputs) },
      modelTopology: { node: nodes, versions: { producer: 1 } },
      weightsManifest: [
        { paths: ["shard.bin"], weights: weights.map(({ name, shape, dtype }) => ({ name, shape, dtype })) },
      ],
    },
    shard,
  ];
}

/** Rows of hops; a frame is a hop and the one after it: [n / hop - 1, 2], floored. */
function frontendModel(): [Json, Uint8Array<ArrayBuffer>] {
  const slice = (name: string, begin: string, end: string, endMask: number) =>
    node(name, "StridedSlice", ["sums", begin, end, "ones"], {
      T: { type: "DT_FLOAT" },
      Index: { type: "DT_INT32" },
      begin_mask: { i: "0" },
      end_mask: { i: String(endMask) },
      ellipsis_mask: { i: "0" },
      new_axis_mask: { i: "0" },
      shrink_axis_mask: { i: "0" },
    });
  return model(
    [
      tensor("pcm"),
      tensor("floor_db"),
      constant("shape", "DT_INT32", [2]),
      constant("weights", "DT_FLOAT", [HOP, 1]),
      constant("zero", "DT_INT32", [2]),
      constant("one", "DT_INT32", [2]),
      constant("minus", "DT_INT32", [2]),
      constant("ones", "DT_INT32", [2]),
      constant("axis", "DT_INT32", []),
      constant("axes", "DT_INT32", [2]),
      node("hops", "Reshape", ["pcm", "shape"]),
      matMul("sums", "hops", "weights"),
      slice("left", "zero", "minus", 2),
      slice("right", "one", "zero", 3),
      node("frames", "ConcatV2", ["left", "right", "axis"], { T: { type: "DT_FLOAT" }, N: { i: "2" } }),
      node("Identity", "Maximum", ["frames", "floor_db"]),
      node("Identity_1", "Max", ["frames", "axes"], { T: { type: "DT_FLOAT" }, keep_dims: { b: false } }),
    ],
    ["pcm", "floor_db"],
    ["Identity", "Identity_1"],
    [
      { name: "shape", shape: [2], dtype: "int32", values: [-1, HOP] },
      { name: "weights", shape: [HOP, 1], dtype: "float32", values: Array<number>(HOP).fill(1) },
      { name: "zero", shape: [2], dtype: "int32", values: [0, 0] },
      { name: "one", shape: [2], dtype: "int32", values: [1, 0] },
      { name: "minus", shape: [2], dtype: "int32", values: [-1, 0] },
      { name: "ones", shape: [2], dtype: "int32", values: [1, 1] },
      { name: "axis", shape: [], dtype: "int32", values: [1] },
      { name: "axes", shape: [2], dtype: "int32", values: [0, 1] },
    ],
  );
}

/** Flatten [batch, windowFrames, 2] and pick the first and the last number; what it tells follows by the heads. */
function encoderModel({ windowFrames, genres, tags }: ToyEncoder): [Json, Uint8Array<ArrayBuffer>] {
  const pick = Array<number>(windowFrames * 2 * SIZE).fill(0);
  pick[0] = 1;
  pick[pick.length - 1] = 1;
  const head = (name: string, columns: number, values: number[][]): Weight[] => [
    { name, shape: [SIZE, columns], dtype: "float32", values: values.flat() },
  ];
  const heads = [
    ...(genres ? [{ output: "Identity_1", op: "Softmax", head: head("head", genres.length, HEAD) }] : []),
    ...(tags ? [{ output: "Identity_2", op: "Sigmoid", head: head("tag_head", tags.length, TAG_HEAD) }] : []),
  ];
  return model(
    [
      tensor("segments"),
      constant("flat", "DT_INT32", [2]),
      constant("pick", "DT_FLOAT", [windowFrames * 2, SIZE]),
      node("rows", "Reshape", ["segments", "flat"]),
      matMul("Identity", "rows", "pick"),
      ...heads.flatMap(({ output, op, head: weights }) =>
        weights.flatMap(({ name, shape }) => [
          constant(name, "DT_FLOAT", shape),
          matMul(`${name}_logits`, "Identity", name),
          node(output, op, [`${name}_logits`]),
        ]),
      ),
    ],
    ["segments"],
    ["Identity", ...heads.map(({ output }) => output)],
    [
      { name: "flat", shape: [2], dtype: "int32", values: [-1, windowFrames * 2] },
      { name: "pick", shape: [windowFrames * 2, SIZE], dtype: "float32", values: pick },
      ...heads.flatMap(({ head: weights }) => weights),
    ],
  );
}

/** What the toy's graphs compute, written down plainly. @returns shape [count][2] */
export function toyEncodings(
  pcm: ArrayLike<number>,
  { windowFrames, hopFrames }: Pick<ToyEncoder, "windowFrames" | "hopFrames">,
  topDb: number | null = null,
): number[][] {
  const nFrames = 1 + Math.floor(pcm.length / HOP);
  const sum = (start: number) =>
    Array.from({ length: HOP }, (_, i) => pcm[start + i] ?? 0).reduce((a, b) => a + b, 0);
  const frames = Array.from({ length: nFrames }, (_, i) => [
    sum(i * HOP - N_FFT / 2),
    sum(i * HOP - N_FFT / 2 + HOP),
  ]);
  const peak = Math.max(...frames.flat());
  const floor = topDb === null ? -40 : Math.max(-40, peak - topDb);
  const floored = frames.map((row) => row.map((value) => Math.max(floor, value)));
  const count = nFrames < windowFrames ? 1 : 1 + Math.floor((nFrames - windowFrames) / hopFrames);
  return Array.from({ length: count }, (_, k) => [
    floored[k * hopFrames]?.[0] ?? NaN,
    floored[k * hopFrames + ((windowFrames - 1) % nFrames)]?.[1] ?? NaN,
  ]);
}

/** The probabilities of a tagger's tags for those encodings. @returns shape [count][TAGS.length] */
export function toyTags(encodings: readonly (readonly number[])[]): number[][] {
  return encodings.map((row) =>
    TAGS.map(
      (_, j) => 1 / (1 + Math.exp(-row.reduce((sum, x, i) => sum + x * (TAG_HEAD[i]?.[j] ?? NaN), 0))),
    ),
  );
}

/** The probabilities of a classifier's genres for those encodings. @returns shape [count][GENRES.length] */
export function toyGenres(encodings: readonly (readonly number[])[]): number[][] {
  return encodings.map((row) => {
    const powers = GENRES.map((_, j) =>
      Math.exp(row.reduce((sum, value, i) => sum + value * (HEAD[i]?.[j] ?? NaN), 0)),
    );
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / sum);
  });
}

/** What the default mapping makes of a track: rows of `toy`, the second number by the other encoder if there is one. */
export function toyParameters(pcm: ArrayLike<number>, options: ToyOptions = {}): number[][] {
  const [toy, wide] = toyEncoders(options).reverse();
  if (toy === undefined) throw new Error("A toy has an encoder.");
  const clip = (y: number) => Math.min(1, Math.max(0, 0.5 * y + 0.5));
  const time = ({ windowFrames, hopFrames }: ToyEncoder, k: number) => (windowFrames - 1) / 2 + k * hopFrames;
  const seconds = wide && toyEncodings(pcm, wide, options.topDb).map((row) => row[1] ?? NaN);
  return toyEncodings(pcm, toy, options.topDb).map(([a = NaN, b = NaN], k) => {
    if (!wide || !seconds) return [clip(a), clip(b)];
    const place = (time(toy, k) - time(wide, 0)) / wide.hopFrames;
    const inside = Math.min(seconds.length - 1, Math.max(0, place));
    const left = seconds[Math.floor(inside)] ?? NaN;
    const right = seconds[Math.ceil(inside)] ?? NaN;
    return [clip(a), clip(left + (inside % 1) * (right - left))];
  });
}

/** The bundle's files, by their paths relative to it. */
export async function toyFiles(options: ToyOptions = {}): Promise<ToyFiles> {
  const { topDb = null, sampleRateHz = SAMPLE_RATE_HZ, edit = {} } = options;
  const secondsPerFrame = HOP / sampleRateHz;
  const encoders = toyEncoders(options);
  const files: ToyFiles = new Map();
  const put = (path: string, json: Json) => {
    edit[path]?.(json);
    files.set(path, new TextEncoder().encode(JSON.stringify(json)));
  };
  for (const [folder, [json, shard]] of [
    ["frontend", frontendModel()] as const,
    ...encoders.map((encoder) => [`encoders/${encoder.name}`, encoderModel(encoder)] as const),
  ]) {
    put(`${folder}/model.json`, json);
    files.set(`${folder}/shard.bin`, shard);
  }
  const pcm = Int16Array.from({ length: 60 }, (_, i) => Math.round(20000 * Math.sin(i * i)));
  const samples = Float32Array.from(pcm, (value) => value / 32768);
  const nFrames = 1 + Math.floor(pcm.length / HOP);
  const mfcc = new Float32Array(nFrames * 2);
  for (let i = 0; i < nFrames; i++) {
    for (const half of [0, 1]) {
      const start = i * HOP - N_FFT / 2 + half * HOP;
      let sum = 0;
      for (let j = 0; j < HOP; j++) sum += samples[start + j] ?? 0;
      mfcc[2 * i + half] = sum;
    }
  }
  const floor = topDb === null ? -40 : Math.max(-40, Math.max(...mfcc) - topDb);
  files.set("goldens/pcm.bin", new Uint8Array(pcm.buffer));
  files.set("goldens/mfcc.bin", new Uint8Array(mfcc.map((value) => Math.max(floor, value)).buffer));
  const stage = (name: string, dtype: string, shape: number[]) => ({
    file: `goldens/${name}.bin`,
    dtype,
    shape,
  });
  const rowStage = (name: string, rows: number[][]) => {
    files.set(`goldens/${name}.bin`, new Uint8Array(Float32Array.from(rows.flat()).buffer));
    return stage(name, "float32", [rows.length, rows[0]?.length ?? 0]);
  };
  const identity = { gain: [1, 1], offset: [0, 0] };
  const half = { gain: [0.5, 0.5], offset: [0.5, 0.5] };
  const scalings = [
    { mode: "features", method: "standard", ...half },
    { mode: "across", method: "minmax", ...identity },
    { mode: "features", method: "per-track", ...half, percentiles: [2.5, 97.5], max_boost: 4 },
  ];
  const second = {
    encoder: options.tagger ? "tagger" : "wide",
    steps: [{ kind: "select", indices: [1] }],
  };
  files.set("card.md", new TextEncoder().encode("# Toy\n"));
  put("mappings.json", {
    schema_version: 3,
    n_parameters: SIZE,
    default: { projection: "raw", mode: "features", method: "standard" },
    time: {
      interpolation: "linear",
      attack: 0.5,
      release: 0.5,
      tick_seconds: 0.01,
      look_ahead_seconds: 0,
    },
    projections: [
      {
        name: "raw",
        parts:
          options.wide || options.tagger
            ? [{ encoder: "toy", steps: [{ kind: "select", indices: [0] }] }, second]
            : [{ encoder: "toy", steps: [] }],
        scalings,
      },
      {
        name: "kmeans-pca",
        parts: [
          {
            encoder: "toy",
            steps: [
              { kind: "scale", ...identity },
              {
                kind: "inverse-distance",
                centroids: [
                  [0, 0],
                  [1, 0],
                  [0, 2],
                ],
                floor: 0.001,
              },
              {
                kind: "affine",
                matrix: [
                  [1, 0],
                  [0, 1],
                  [1, 1],
                ],
                offset: [-1, -1],
              },
            ],
          },
        ],
        scalings,
      },
    ],
  });
  put("goldens/goldens.json", {
    schema_version: 3,
    stages: {
      pcm: stage("pcm", "int16", [pcm.length]),
      mfcc: stage("mfcc", "float32", [nFrames, 2]),
      parameters: rowStage("parameters", toyParameters(samples, options)),
    },
    encodings: Object.fromEntries(
      encoders.map((encoder) => [
        encoder.name,
        rowStage(`encoding-${encoder.name}`, toyEncodings(samples, encoder, topDb)),
      ]),
    ),
    genres: Object.fromEntries(
      encoders
        .filter(({ genres }) => genres)
        .map((encoder) => [
          encoder.name,
          rowStage(`genres-${encoder.name}`, toyGenres(toyEncodings(samples, encoder, topDb))),
        ]),
    ),
    ...(options.tagger && {
      tags: Object.fromEntries(
        encoders
          .filter(({ tags }) => tags)
          .map((encoder) => [
            encoder.name,
            rowStage(`tags-${encoder.name}`, toyTags(toyEncodings(samples, encoder, topDb))),
          ]),
      ),
    }),
    tolerance: { mfcc: 1e-5, encoding: 1e-5, genres: 1e-5, parameters: 1e-5 },
  });
  const listed: Json = {};
  const frontend: Json = {};
  for (const [path, bytes] of files) {
    const list = path.startsWith(FRONTEND) ? frontend : listed;
    list[path.replace(FRONTEND, "")] = { bytes: bytes.length, sha256: await sha256(bytes) };
  }
  const digest = await sha256(new TextEncoder().encode(JSON.stringify(frontend)));
  const folder = options.sharedFrontend ? `../../frontends/${digest}/` : FRONTEND;
  if (options.sharedFrontend) {
    for (const path of Object.keys(frontend)) {
      const bytes = files.get(FRONTEND + path);
      if (bytes) files.set(folder + path, bytes);
      files.delete(FRONTEND + path);
    }
  }
  put("manifest.json", {
    schema_version: 3,
    name: "toy",
    version: null,
    title: "Toy",
    created: "2026-01-01T00:00:00Z",
    audio: {
      preset: "live",
      sample_rate_hz: sampleRateHz,
      n_fft: N_FFT,
      hop_length: HOP,
      n_mels: 2,
      n_mfcc: 2,
      f_min_hz: 0,
      f_max_hz: 50,
      floor_db: -40,
      top_db: topDb,
      segment_frames: 3,
    },
    frontend: {
      path: folder,
      digest,
      files: frontend,
      inputs: { pcm: "pcm", floor_db: "floor_db" },
      outputs: { mfcc: "Identity:0", peak_db: "Identity_1:0" },
      pad_samples: N_FFT / 2,
      overlap_hops: 1,
    },
    encoders: encoders.map(({ name, windowFrames, hopFrames, genres, tags }) => ({
      name,
      model: `encoders/${name}/model.json`,
      layer: "encoding",
      inputs: { segments: "segments" },
      outputs: {
        encoding: "Identity:0",
        ...(genres && { genres: "Identity_1:0" }),
        ...(tags && { tags: "Identity_2:0" }),
      },
      encoding_size: SIZE,
      ...(genres && { genres: [...genres] }),
      ...(tags && {
        unsure_below: 0.4,
        tags: { names: [...tags], descriptors: structuredClone(TOY_DESCRIPTORS) },
      }),
      window_frames: windowFrames,
      window_seconds: windowFrames * secondsPerFrame,
      step_seconds: hopFrames * secondsPerFrame,
      time_offset_seconds: ((windowFrames - 1) / 2) * secondsPerFrame,
    })),
    mappings: "mappings.json",
    goldens: "goldens/goldens.json",
    card: "card.md",
    quantization: "none",
    provenance: { code_version: "test" },
    files: listed,
  });
  return files;
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Stands in for `fetch`: gives the files, whose paths are relative to `TOY_URL`. */
export function toyFetch(files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>): typeof fetch {
  return (input) => {
    const url = input instanceof Request ? input.url : String(input);
    const path = Array.from(files.keys()).find((candidate) => new URL(candidate, TOY_URL).href === url);
    const bytes = path === undefined ? undefined : files.get(path);
    return Promise.resolve(bytes === undefined ? new Response(null, { status: 404 }) : new Response(bytes));
  };
}

/** Collects the blocks of an analysis. */
export function collector(
  options: Omit<AnalysisOptions, "onBlock"> = {},
): AnalysisOptions & { blocks: EncodingBlock[] } {
  const blocks: EncodingBlock[] = [];
  return { ...options, blocks, onBlock: (block) => blocks.push(block) };
}
