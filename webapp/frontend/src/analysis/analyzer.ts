/** Executes a bundle's graphs: PCM -> MFCC -> segments -> encodings and probabilities. Knows no DSP, only shapes. */
import { GraphModel } from "@tensorflow/tfjs-converter";
import * as tf from "@tensorflow/tfjs-core";
import {
  BundleError,
  findEncoder,
  nameOf,
  probabilitySizes,
  readBundleFile,
  type Bundle,
  type BundleFolder,
  type Encoder,
} from "../bundle";
import type { EncodingBlock } from "../mapping/track";
import { isOutOfMemory } from "./memory";
import { findStream, ONSETS, ONSETS_SIZE, onsetsOf } from "./onsets";
import {
  countFrames,
  frameRun,
  hopFramesOf,
  segmentFrames,
  sliceWithZeros,
  type SegmentRun,
} from "./segments";

/**
 * Rows of frames given to an encoder at once, in as many segments as they make: enough to fill its matrix products, few
 * enough to stay in the cache.
 */
const BATCH_ROWS = 1536;

/** The verified files of one graph. */
interface GraphFiles {
  /** What errors call it. */
  readonly name: string;
  readonly artifacts: tf.io.ModelArtifacts;
}

/** All graphs of a bundle as downloaded; a backend that fails must not cost a second download. */
export interface BundleGraphs {
  readonly frontend: GraphFiles;
  readonly encoders: ReadonlyMap<string, GraphFiles>;
}

/** A stretch of a track to encode: the PCM that its segments see, for all streams together. */
export interface EncodeRequest {
  /** Shape [n], n a multiple of the hop length, padding included. */
  readonly pcm: Float32Array<ArrayBuffer>;
  /** Index of the first frame that the PCM gives. */
  readonly firstFrame: number;
  readonly floorDb: number;
  /** At most one for each stream. */
  readonly runs: readonly SegmentRun[];
}

export interface EncodeResult {
  /** One for each run, in their order. */
  readonly blocks: readonly EncodingBlock[];
  readonly frontendMs: number;
  readonly encoderMs: number;
}

/**
 * Cut what the frames of these segments see out of a track.
 *
 * @param pcm the whole track
 * @param runs at least one, none of them empty
 */
export function encodeRequest(
  bundle: Pick<Bundle, "audio" | "frontend" | "encoders">,
  pcm: Float32Array,
  runs: readonly SegmentRun[],
  floorDb: number,
): EncodeRequest {
  const spans = runs.map(({ encoder, first, count }) => {
    const { stepSeconds, windowFrames } = findStream(bundle, encoder);
    const hopFrames = hopFramesOf(bundle.audio, stepSeconds);
    const start = first * hopFrames;
    return { start, end: start + (count - 1) * hopFrames + windowFrames };
  });
  const firstFrame = Math.min(...spans.map(({ start }) => start));
  const end = Math.min(countFrames(bundle.audio, pcm.length), Math.max(...spans.map((span) => span.end)));
  const count = end - firstFrame;
  const stretch = frameRun(bundle.audio, bundle.frontend, firstFrame, count);
  return { pcm: sliceWithZeros(pcm, stretch), firstFrame, floorDb, runs };
}

/** Download and verify every graph of a bundle. @throws BundleError */
export async function loadGraphs(
  bundle: Bundle,
  onProgress?: (fraction: number) => void,
  signal?: AbortSignal,
): Promise<BundleGraphs> {
  const nGraphs = 1 + bundle.encoders.length;
  let done = 0;
  const load = async (folder: BundleFolder, path: string) => {
    const files = await loadGraph(folder, path, signal);
    onProgress?.(++done / nGraphs);
    return files;
  };
  const [frontend, encoders] = await Promise.all([
    load(bundle.frontend, bundle.frontend.model),
    Promise.all(bundle.encoders.map(async ({ name, model }) => [name, await load(bundle, model)] as const)),
  ]);
  return { frontend, encoders: new Map(encoders) };
}

/** model.json and its shards, from verified bytes: TensorFlow.js is never given an address. */
async function loadGraph(folder: BundleFolder, path: string, signal?: AbortSignal): Promise<GraphFiles> {
  const name = nameOf(folder, path);
  const json = parseModelJson(await readBundleFile(folder, path, signal), name);
  const beside = path.slice(0, path.lastIndexOf("/") + 1);
  const specs: tf.io.WeightsManifestEntry[] = [];
  const shards: string[] = [];
  for (const group of json.weightsManifest) {
    specs.push(...group.weights);
    shards.push(...group.paths.map((shard) => beside + shard));
  }
  const weightData = await Promise.all(shards.map((shard) => readBundleFile(folder, shard, signal)));
  return {
    name,
    artifacts: {
      modelTopology: json.modelTopology,
      weightSpecs: specs,
      weightData,
      ...(json.format !== undefined && { format: json.format }),
      ...(json.signature !== undefined && { signature: json.signature }),
      ...(json.modelInitializer !== undefined && { modelInitializer: json.modelInitializer }),
      ...(json.userDefinedMetadata !== undefined && { userDefinedMetadata: json.userDefinedMetadata }),
    },
  };
}

function parseModelJson(bytes: ArrayBuffer, path: string): tf.io.ModelJSON {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new BundleError(path, "is not JSON", undefined, { cause: error });
  }
  const model = json as Partial<tf.io.ModelJSON> | null;
  if (typeof model?.modelTopology !== "object" || !Array.isArray(model.weightsManifest)) {
    throw new BundleError(path, "is not a TensorFlow.js graph model");
  }
  for (const [i, group] of model.weightsManifest.entries()) {
    if (!Array.isArray(group.weights) || !Array.isArray(group.paths)) {
      throw new BundleError(`${path}: weightsManifest[${i}]`, "must hold weights and paths");
    }
  }
  return model as tf.io.ModelJSON;
}

/**
 * A bundle's graphs on TensorFlow.js' current backend. WASM and the CPU block the thread meanwhile, so whoever calls it
 * divides the work; results are awaited for the sake of graphics cards, which cannot be read at once. No tensor
 * outlives a call.
 */
export class Analyzer {
  private constructor(
    private readonly bundle: Bundle,
    private readonly frontend: GraphModel,
    private readonly encoders: ReadonlyMap<string, GraphModel>,
  ) {}

  /** @throws BundleError when a graph cannot be built or lacks a tensor that the manifest names */
  static async create(bundle: Bundle, graphs: BundleGraphs): Promise<Analyzer> {
    const { inputs, outputs } = bundle.frontend;
    const built: GraphModel[] = [];
    const build = async (files: GraphFiles, names: readonly string[]) => {
      const model = await buildGraph(files, names);
      built.push(model);
      return model;
    };
    try {
      const frontend = await build(graphs.frontend, [...Object.values(inputs), ...Object.values(outputs)]);
      const encoders = new Map<string, GraphModel>();
      for (const [name, files] of graphs.encoders) {
        const encoder = findEncoder(bundle, name);
        const names = [...Object.values(encoder.inputs), ...Object.values(encoder.outputs)];
        encoders.set(name, await build(files, names));
      }
      return new Analyzer(bundle, frontend, encoders);
    } catch (error) {
      for (const model of built) model.dispose();
      throw error;
    }
  }

  /**
   * The front end alone.
   *
   * @param pcm shape [n], n a multiple of the hop length
   * @returns mfcc of shape [n / hopLength - overlapHops, nMfcc], flattened, and the largest log-mel value
   */
  async mfcc(pcm: Float32Array, floorDb: number): Promise<{ mfcc: Float32Array; peakDb: number }> {
    const [mfcc, peak] = this.runFrontend(pcm, floorDb);
    try {
      const [values, [peakDb = NaN]] = await Promise.all([mfcc.data<"float32">(), peak.data<"float32">()]);
      return { mfcc: values, peakDb };
    } finally {
      tf.dispose([mfcc, peak]);
    }
  }

  /** The largest log-mel value of a run of PCM, for `top_db`. */
  async peakDb(pcm: Float32Array): Promise<number> {
    const [mfcc, peak] = this.runFrontend(pcm, this.bundle.audio.floorDb);
    try {
      return (await peak.data<"float32">())[0] ?? NaN;
    } finally {
      tf.dispose([mfcc, peak]);
    }
  }

  /** The front end once, then every stream on its segments of the result. */
  async encode({ pcm, firstFrame, floorDb, runs }: EncodeRequest): Promise<EncodeResult> {
    const start = performance.now();
    const [mfcc, peak] = this.runFrontend(pcm, floorDb);
    peak.dispose();
    const middle = performance.now();
    try {
      const blocks: EncodingBlock[] = [];
      for (const run of runs) {
        blocks.push(
          run.encoder === ONSETS
            ? await this.hearOnsets(run, mfcc, pcm, firstFrame)
            : await this.encodeRun(run, mfcc, firstFrame),
        );
      }
      return { blocks, frontendMs: middle - start, encoderMs: performance.now() - middle };
    } finally {
      mfcc.dispose();
    }
  }

  dispose(): void {
    this.frontend.dispose();
    for (const model of this.encoders.values()) model.dispose();
  }

  private runFrontend(pcm: Float32Array, floorDb: number): [tf.Tensor2D, tf.Scalar] {
    const { frontend, audio } = this.bundle;
    const { inputs, outputs } = frontend;
    const nFrames = pcm.length / audio.hopLength - frontend.overlapHops;
    if (!Number.isInteger(nFrames) || nFrames < 1) {
      throw new RangeError(`${pcm.length} samples give no whole number of frames.`);
    }
    const [mfcc, peak] = tf.tidy(() => {
      const feeds = { [inputs.pcm]: tf.tensor1d(pcm), [inputs.floorDb]: tf.scalar(floorDb) };
      return this.frontend.execute(feeds, [outputs.mfcc, outputs.peakDb]) as tf.Tensor[];
    });
    if (mfcc === undefined || peak?.size !== 1) {
      throw new BundleError(nameOf(frontend, frontend.model), "does not give MFCC and a peak");
    }
    if (mfcc.shape[0] !== nFrames || mfcc.shape[1] !== audio.nMfcc || mfcc.rank !== 2) {
      throw new BundleError(
        nameOf(frontend, frontend.model),
        `gives MFCC of shape [${mfcc.shape.join(", ")}] where [${nFrames}, ${audio.nMfcc}] is expected`,
      );
    }
    return [mfcc as tf.Tensor2D, peak as tf.Scalar];
  }

  /** @param mfcc the frames from `firstFrame` on, which the front end has made from `pcm` */
  private async hearOnsets(
    { first, count }: SegmentRun,
    mfcc: tf.Tensor2D,
    pcm: Float32Array,
    firstFrame: number,
  ): Promise<EncodingBlock> {
    const { audio, frontend } = this.bundle;
    const sound = { mfcc: await mfcc.data<"float32">(), pcm };
    const encodings = onsetsOf(audio, frontend, sound, first - firstFrame, count);
    return { encoder: ONSETS, first, count, encodings, size: ONSETS_SIZE };
  }

  /** @param mfcc the frames from `firstFrame` on */
  private async encodeRun(
    { encoder: name, first, count }: SegmentRun,
    mfcc: tf.Tensor2D,
    firstFrame: number,
  ): Promise<EncodingBlock> {
    const encoder = findEncoder(this.bundle, name);
    const model = this.encoders.get(name);
    if (model === undefined) throw new RangeError(`The encoder "${name}" is not loaded.`);
    const { encodingSize: size, outputs, stepSeconds, windowFrames } = encoder;
    const hopFrames = hopFramesOf(this.bundle.audio, stepSeconds);
    const batch = Math.max(1, Math.round(BATCH_ROWS / windowFrames));
    const encodings = new Float32Array(count * size);
    const probabilities = probabilitySizes(encoder).map(([what, width]) => {
      return { what, output: outputs[what] ?? "", size: width, values: new Float32Array(count * width) };
    });
    const told = [{ what: "encodings", output: outputs.encoding, size, values: encodings }, ...probabilities];
    for (let done = 0; done < count; done += batch) {
      const starts = Array.from(
        { length: Math.min(batch, count - done) },
        (_, i) => (first + done + i) * hopFrames - firstFrame,
      );
      const rows = await this.runEncoder(model, encoder, mfcc, starts, told);
      told.forEach(({ values, size: width }, i) => values.set(rows[i] ?? [], done * width));
    }
    const beside = Object.fromEntries(probabilities.map(({ what, values }) => [what, values]));
    return { encoder: name, first, count, encodings, size, ...beside };
  }

  /**
   * Encode the segments that start at these rows.
   *
   * @param told which outputs of the graph are asked for, and the size of their rows
   * @returns each of them, of shape [starts.length, size], flattened
   */
  private async runEncoder(
    model: GraphModel,
    { windowFrames, inputs, model: path }: Encoder,
    mfcc: tf.Tensor2D,
    starts: readonly number[],
    told: readonly { readonly what: string; readonly output: string; readonly size: number }[],
  ): Promise<readonly Float32Array[]> {
    const batch = starts.length;
    const nFrames = mfcc.shape[0];
    const rows = Int32Array.from(starts.flatMap((start) => segmentFrames(start, windowFrames, nFrames)));
    const names = told.map(({ output }) => output);
    const tensors = tf.tidy(() => {
      const segments = tf.reshape(tf.gather(mfcc, tf.tensor1d(rows, "int32")), [
        batch,
        windowFrames,
        mfcc.shape[1],
      ]); // [batch, windowFrames, nMfcc]
      return [model.execute({ [inputs.segments]: segments }, names)].flat();
    });
    const valuesOf = async (tensor: tf.Tensor | undefined, what: string, size: number) => {
      if (tensor?.size !== batch * size) {
        const shape = tensor?.shape.join(", ") ?? "";
        throw new BundleError(
          path,
          `gives ${what} of shape [${shape}] where [${batch}, ${size}] is expected`,
        );
      }
      return tensor.data<"float32">();
    };
    try {
      return await Promise.all(told.map(({ what, size }, i) => valuesOf(tensors[i], what, size)));
    } finally {
      tf.dispose(tensors);
    }
  }
}

async function buildGraph(
  { name: graph, artifacts }: GraphFiles,
  tensors: readonly string[],
): Promise<GraphModel> {
  const model = new GraphModel({ load: () => Promise.resolve(artifacts) });
  try {
    await model.load();
  } catch (error) {
    if (isOutOfMemory(error)) throw error;
    throw new BundleError(graph, "cannot be used as a TensorFlow.js graph", undefined, { cause: error });
  }
  const known = new Set([...model.inputs, ...model.outputs].map(({ name }) => nodeOf(name)));
  const missing = tensors.find((tensor) => !known.has(nodeOf(tensor)));
  if (missing !== undefined) throw new BundleError(graph, `has no input or output "${missing}"`);
  return model;
}

/** `Identity_1:0` -> `Identity_1`. */
function nodeOf(tensor: string): string {
  return tensor.split(":")[0] ?? tensor;
}
