/**
 * The only reader of bundles (docs/bundle-format.md): fetches, validates every field, verifies what it downloads.
 * What comes out is plain data that can be posted to a worker; no other file knows the JSON's names.
 */
import { ToldError } from "./told-error";

const SCHEMA_VERSION = 3;
const REGISTRY_SCHEMA_VERSION = 1;
/** JSON files are small; a server that sends more is not sending a bundle. */
const MAX_JSON_BYTES = 16 * 2 ** 20;
/** No model that a browser could run is larger. */
const MAX_FILE_BYTES = 2 ** 30;
const MAX_SAMPLE_RATE_HZ = 768_000;
const MAX_SIZE = 2 ** 20;
const MAX_PARAMETERS = 100;
/** Of genres, tags and descriptors. */
const MAX_NAMES = 256;
/** Longer chains than any projection needs would only cost time. */
const MAX_STEPS = 4;
/** Of the numbers of a mapping: what is computed from a few of them stays finite. */
const MAX_NUMBER = 1e38;

/** The front end of a bundle that is not in a registry. */
const OWN_FRONTEND = "frontend/";
/** The front end's graph, by its path in its folder. */
const FRONTEND_MODEL = "model.json";

/** A bundle or registry that cannot be used: which field of which file, what is wrong, and a way on. */
export class BundleError extends ToldError {
  /** The offending field, like `manifest.json: audio.hop_length`, or the file. */
  readonly field: string;
  /** What is wrong with it, as the rest of a sentence. */
  readonly problem: string;
  /** What a person can do about it. */
  readonly remedy: string;

  constructor(field: string, problem: string, remedy: string = REMEDY_EXPORT, options?: ErrorOptions) {
    super(`${field} ${problem}. ${remedy}`, options);
    this.name = "BundleError";
    this.field = field;
    this.problem = problem;
    this.remedy = remedy;
  }
}

const REMEDY_EXPORT = "Export the bundle again with `tfdeepviz export`.";
const REMEDY_RELOAD = "Reload the page; if it happens again, push the bundle again with `tfdeepviz push`.";
const REMEDY_CONNECTION = "Check that the server runs and the address is right, then try again.";
const REMEDY_UPDATE = "Update the playground, or export the bundle with the version that belongs to it.";

/** The signal path's constants (`audio` of the manifest). */
export interface AudioParams {
  readonly preset: string;
  readonly sampleRateHz: number;
  readonly nFft: number;
  readonly hopLength: number;
  readonly nMels: number;
  readonly nMfcc: number;
  readonly fMinHz: number;
  readonly fMaxHz: number;
  readonly floorDb: number;
  /** Decibels kept below the whole track's maximum; null: only `floorDb` counts and a track can be streamed. */
  readonly topDb: number | null;
  readonly segmentFrames: number;
}

/** A file as the manifest lists it. */
export interface BundleFile {
  readonly bytes: number;
  readonly sha256: string;
}

/** A folder of files that the manifest lists: the bundle itself, or its front end. */
export interface BundleFolder {
  /** Absolute address, with a slash at its end. */
  readonly url: string;
  /** Where it is, relative to the bundle, as errors call it; the bundle itself has none. */
  readonly path?: string;
  /** By the path in the folder. */
  readonly files: Readonly<Record<string, BundleFile>>;
}

/** The front end's graph: PCM -> MFCC. The names are tensors of the graph. */
export interface FrontendGraph extends BundleFolder {
  /** In the bundle by itself, or where a registry keeps it for all bundles that have the same one. */
  readonly path: string;
  /** SHA-256 of the list of its files: equal digests, equal front ends. */
  readonly digest: string;
  /** Path in its folder. */
  readonly model: string;
  readonly inputs: { readonly pcm: string; readonly floorDb: string };
  readonly outputs: { readonly mfcc: string; readonly peakDb: string };
  /** Zeros before the track's first sample, so that frames are centred. */
  readonly padSamples: number;
  /** Hops of PCM that give no row of their own: `n / hopLength - overlapHops` rows. */
  readonly overlapHops: number;
}

/** What people say of music, in the order in which they are told it. */
export const DESCRIPTOR_KINDS = ["genre", "mood", "instrument", "voice"] as const;
export type DescriptorKind = (typeof DESCRIPTOR_KINDS)[number];

/** A word for music, and the tags that speak for it. */
export interface Descriptor {
  readonly kind: DescriptorKind;
  readonly name: string;
  /** Indices of its tags. */
  readonly tags: readonly number[];
  /** Mean and standard deviation of its tags' mean log-odds over the music that the encoder has learnt from. */
  readonly typical: number;
  readonly spread: number;
}

/** What a tagger tells. */
export interface Tags {
  /** In the order of their probabilities. */
  readonly names: readonly string[];
  readonly descriptors: readonly Descriptor[];
}

/** What a graph may give beside encodings: probabilities, a row for each encoding. */
export const PROBABILITIES = ["genres", "tags"] as const;
export type ProbabilityName = (typeof PROBABILITIES)[number];

/** One encoder's graph: segments of MFCC -> encodings, and of some the probabilities of genres and tags. */
export interface Encoder {
  /** Small letters, digits and hyphens. */
  readonly name: string;
  readonly model: string;
  readonly layer: string;
  readonly inputs: { readonly segments: string };
  /** `genres` and `tags` if and only if it tells them. */
  readonly outputs: { readonly encoding: string } & Partial<Readonly<Record<ProbabilityName, string>>>;
  readonly encodingSize: number;
  /** The genres that it tells, in the order of its probabilities. */
  readonly genres?: readonly string[];
  /** Where even the likeliest genre is less likely, it does not know. */
  readonly unsureBelow?: number;
  readonly tags?: Tags;
  readonly windowFrames: number;
  readonly windowSeconds: number;
  /** The hop at which a player runs this encoder. */
  readonly stepSeconds: number;
  /** Time of the first encoding: the middle of its window, or its end where the encoder is causal. */
  readonly timeOffsetSeconds: number;
}

/** A small pure function on a vector `x` of one encoder (docs/bundle-format.md, "Projections"). */
export type Step =
  /** `y[j] = x[indices[j]]` */
  | { readonly kind: "select"; readonly indices: readonly number[] }
  /** `y = gain * x + offset`, element by element. */
  | { readonly kind: "scale"; readonly gain: readonly number[]; readonly offset: readonly number[] }
  /** `y = x · matrix + offset`; matrix of shape [size of x, size of y]. */
  | {
      readonly kind: "affine";
      readonly matrix: readonly (readonly number[])[];
      readonly offset: readonly number[];
    }
  /** `y[j] = 1 / max(floor, |x - centroids[j]|)`; centroids of shape [size of y, size of x]. */
  | {
      readonly kind: "inverse-distance";
      readonly centroids: readonly (readonly number[])[];
      readonly floor: number;
    };

/** One encoder's share of the parameters. */
export interface Part {
  /** Name of the encoder whose encodings it takes. */
  readonly encoder: string;
  readonly encodingSize: number;
  /** Applied one after the other; none: the encoding itself. */
  readonly steps: readonly Step[];
  /** How many parameters come out. */
  readonly size: number;
}

/** How encodings become parameters, by what bundles call it. */
export const PROJECTIONS = ["raw", "random", "pca", "kmeans", "kmeans-pca"] as const;
export type ProjectionName = (typeof PROJECTIONS)[number];

/** What is scaled: each parameter by itself, or all over one range. */
export const SCALING_MODES = ["features", "across"] as const;
export type ScalingMode = (typeof SCALING_MODES)[number];

/** `clip(gain * y + offset, 0, 1)`, element by element. */
export interface AffineScaling {
  readonly mode: ScalingMode;
  readonly method: "standard" | "minmax" | "robust";
  /** Shape [nParameters]. */
  readonly gain: readonly number[];
  /** Shape [nParameters]. */
  readonly offset: readonly number[];
}

/** Fitted to the track at hand; its own `gain` and `offset` count while nothing of the track is known. */
export interface TrackScaling extends Omit<AffineScaling, "method"> {
  readonly method: "per-track";
  /** What goes to 0 and to 1. */
  readonly percentiles: readonly [low: number, high: number];
  /** The track's gain is at most so many times the stored one: near-silence is not blown up. */
  readonly maxBoost: number;
}

export type Scaling = AffineScaling | TrackScaling;
export type ScalingMethod = Scaling["method"];

/** Encodings -> `nParameters` numbers: the parts' results, one after the other. */
export interface Projection {
  readonly name: ProjectionName;
  readonly parts: readonly Part[];
  readonly scalings: readonly Scaling[];
}

/** One choice of projection and scaling: encodings -> parameters. */
export interface Mapping {
  readonly projection: Projection;
  readonly scaling: Scaling;
}

export const INTERPOLATIONS = ["linear", "hold"] as const;
export type Interpolation = (typeof INTERPOLATIONS)[number];

/** How parameters become a motion (docs/bundle-format.md, "Time"). */
export interface TimeSettings {
  readonly interpolation: Interpolation;
  /** Share of the past that is kept per tick while a parameter rises, and while it falls, in [0, 1]. */
  readonly attack: number;
  readonly release: number;
  readonly tickSeconds: number;
  /** The picture shows what is so much later in the music; may be negative. */
  readonly lookAheadSeconds: number;
}

export interface Mappings {
  readonly nParameters: number;
  readonly default: { readonly projection: string; readonly mode: string; readonly method: string };
  readonly time: TimeSettings;
  readonly projections: readonly Projection[];
}

export interface GoldenStage {
  readonly file: string;
  readonly dtype: "int16" | "float32";
  readonly shape: readonly number[];
}

/** A PCM input and what every stage made of it in Python. */
export interface Goldens {
  readonly stages: Readonly<Record<"pcm" | "mfcc" | "parameters", GoldenStage>>;
  /** By the encoder's name; each runs at its own step. */
  readonly encodings: Readonly<Record<string, GoldenStage>>;
  /** By the name of each encoder that tells genres: their probabilities, row by row beside its encodings. */
  readonly genres: Readonly<Record<string, GoldenStage>>;
  /** As `genres`, of tags. */
  readonly tags: Readonly<Record<string, GoldenStage>>;
  /**
   * Largest difference that a client may show. Of MFCC, probabilities and parameters it is absolute; of encodings,
   * whose units differ, in shares of the largest component that the encoder's goldens have. `genres` holds for all
   * probabilities.
   */
  readonly tolerance: {
    readonly mfcc: number;
    readonly encoding: number;
    readonly genres: number;
    readonly parameters: number;
  };
}

/** A validated bundle: plain data, safe to post to a worker. Its `files` are those outside of its front end. */
export interface Bundle extends BundleFolder {
  readonly name: string;
  /** Null until it is pushed to a registry. */
  readonly version: number | null;
  readonly title: string;
  readonly created: string;
  readonly audio: AudioParams;
  readonly frontend: FrontendGraph;
  readonly encoders: readonly Encoder[];
  readonly mappings: Mappings;
  readonly goldens: Goldens;
  /** Path of the model card (Markdown). */
  readonly card: string;
  readonly quantization: string;
  /** Where it came from, for people; nothing is computed from it. */
  readonly provenance: Readonly<Record<string, unknown>>;
}

export interface RegistryEntry {
  readonly name: string;
  readonly title: string;
  readonly versions: readonly number[];
  readonly latest: number;
  /** Absolute address of the latest version's folder: what `loadBundle` takes. */
  readonly latestUrl: string;
}

export interface Registry {
  readonly url: string;
  readonly bundles: readonly RegistryEntry[];
}

/**
 * Fetch and validate a bundle's JSON files. The graphs and goldens are fetched later, by `readBundleFile`.
 *
 * @param url the bundle's folder, with or without a slash at its end
 * @throws BundleError when something is missing, malformed or not what the manifest lists
 */
export async function loadBundle(url: string, signal?: AbortSignal): Promise<Bundle> {
  const folder = folderUrl(url);
  const manifest = await fetchBytes(
    new URL("manifest.json", folder).href,
    "manifest.json",
    MAX_JSON_BYTES,
    signal,
  );
  const partial = parseManifest(parseObject(manifest, "manifest.json"), folder);
  await checkDigest(partial.frontend);
  const [mappings, goldens] = await Promise.all([
    readBundleFile(partial, partial.mappingsPath, signal),
    readBundleFile(partial, partial.goldensPath, signal),
  ]);
  const { mappingsPath, goldensPath, ...rest } = partial;
  const parsed = parseMappings(parseJson(mappings, mappingsPath), rest.encoders, mappingsPath);
  return {
    ...rest,
    mappings: parsed,
    goldens: parseGoldens(parseObject(goldens, goldensPath), goldensPath, rest, parsed.nParameters),
  };
}

/**
 * Fetch and validate a registry's index.
 *
 * @param url the registry's folder, with or without a slash at its end
 * @throws BundleError when it cannot be fetched or is malformed
 */
export async function loadRegistry(url: string, signal?: AbortSignal): Promise<Registry> {
  const folder = folderUrl(url);
  const bytes = await fetchBytes(new URL("index.json", folder).href, "index.json", MAX_JSON_BYTES, signal);
  return parseRegistry(parseObject(bytes, "index.json"), folder);
}

/**
 * Download one file of a bundle or its front end and check its length and SHA-256 against the manifest. The hash needs
 * `crypto.subtle`, which browsers give to secure contexts (https and localhost) only; elsewhere the length alone is
 * checked.
 *
 * @param folder the bundle, or its `frontend`
 * @param path a path that the manifest lists
 * @throws BundleError when the file is missing, of another length, or has another hash
 */
export async function readBundleFile(
  folder: BundleFolder,
  path: string,
  signal?: AbortSignal,
): Promise<ArrayBuffer> {
  const name = nameOf(folder, path);
  const file = Object.hasOwn(folder.files, path) ? folder.files[path] : undefined;
  if (file === undefined) throw new BundleError(`files["${name}"]`, "is not listed in the manifest");
  const bytes = await fetchBytes(new URL(path, folder.url).href, name, file.bytes, signal);
  if (bytes.byteLength !== file.bytes) {
    throw new BundleError(
      name,
      `has ${bytes.byteLength} bytes where the manifest lists ${file.bytes}`,
      REMEDY_RELOAD,
    );
  }
  const digest = await sha256(bytes);
  if (digest !== null && digest !== file.sha256) {
    throw new BundleError(name, "is not the file that the manifest lists (SHA-256 differs)", REMEDY_RELOAD);
  }
  return bytes;
}

/** What errors call a file: its path relative to the bundle. */
export function nameOf(folder: Pick<BundleFolder, "path">, path: string): string {
  return `${folder.path ?? ""}${path}`;
}

/**
 * Read a stage of `bundle.goldens` as numbers, row by row. int16 becomes the float that the front end takes.
 *
 * @returns float32 of the stage's shape, flattened
 * @throws BundleError as `readBundleFile`
 */
export async function readGolden(
  bundle: BundleFolder,
  stage: GoldenStage,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const view = new DataView(await readBundleFile(bundle, stage.file, signal));
  const values = new Float32Array(sizeOf(stage.shape));
  for (let i = 0; i < values.length; i++) {
    values[i] = stage.dtype === "int16" ? view.getInt16(2 * i, true) / 32768 : view.getFloat32(4 * i, true);
  }
  return values;
}

/** How many probabilities an encoder gives in a row, by what they are of. */
export function probabilitySizes({
  genres,
  tags,
}: Pick<Encoder, "genres" | "tags">): readonly (readonly [ProbabilityName, number])[] {
  const names = { genres, tags: tags?.names };
  return PROBABILITIES.flatMap((what) => {
    const size = names[what]?.length;
    return size === undefined ? [] : [[what, size] as const];
  });
}

/** The encoder of that name. @throws RangeError when the bundle has none */
export function findEncoder(bundle: Pick<Bundle, "encoders">, name: string): Encoder {
  const encoder = bundle.encoders.find((candidate) => candidate.name === name);
  if (encoder === undefined) throw new RangeError(`The bundle has no encoder "${name}".`);
  return encoder;
}

/**
 * A mapping by its names; what is left out is the bundle's default.
 *
 * @throws RangeError when the bundle does not offer it
 */
export function findMapping(
  bundle: Pick<Bundle, "mappings">,
  choice: { readonly projection?: string; readonly mode?: string; readonly method?: string } = {},
): Mapping {
  const { projection: name, mode, method } = { ...bundle.mappings.default, ...choice };
  const projection = bundle.mappings.projections.find((candidate) => candidate.name === name);
  if (projection === undefined) throw new RangeError(`The bundle has no projection "${name}".`);
  const scaling = projection.scalings.find(
    (candidate) => candidate.mode === mode && candidate.method === method,
  );
  if (scaling === undefined) {
    throw new RangeError(`The projection "${name}" has no scaling "${method}" over "${mode}".`);
  }
  return { projection, scaling };
}

// ---------------------------------------------------------------------------------------------------- downloading

function folderUrl(url: string): string {
  const base = typeof location === "undefined" ? undefined : location.href;
  let absolute: URL;
  try {
    absolute = new URL(url, base);
  } catch {
    throw new BundleError(`"${url}"`, "is not an address", "Give the address of the bundle's folder.");
  }
  absolute.hash = "";
  absolute.search = "";
  return absolute.href.endsWith("/") ? absolute.href : `${absolute.href}/`;
}

/** The body of a response, read no further than one byte over the limit. */
async function fetchBytes(
  url: string,
  what: string,
  limit: number,
  signal?: AbortSignal,
): Promise<ArrayBuffer> {
  let response: Response;
  try {
    response = await fetch(url, { credentials: "same-origin", ...(signal && { signal }) });
  } catch (error) {
    signal?.throwIfAborted();
    throw new BundleError(what, `cannot be fetched from ${url}`, REMEDY_CONNECTION, { cause: error });
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw new BundleError(what, `cannot be fetched from ${url} (HTTP ${response.status})`, REMEDY_CONNECTION);
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  try {
    for (;;) {
      const chunk = await reader?.read();
      if (chunk?.value === undefined) break;
      length += chunk.value.byteLength;
      if (length > limit) {
        await reader?.cancel();
        throw new BundleError(what, `is longer than ${limit} bytes`, REMEDY_RELOAD);
      }
      chunks.push(chunk.value);
    }
  } catch (error) {
    if (error instanceof BundleError) throw error;
    signal?.throwIfAborted();
    throw new BundleError(what, "broke off while it was fetched", REMEDY_CONNECTION, { cause: error });
  }
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes.buffer;
}

/** Lower-case hexadecimal SHA-256, or null where the browser gives no `crypto.subtle`. */
async function sha256(bytes: ArrayBuffer): Promise<string | null> {
  // The DOM types promise `subtle` everywhere; an http page from another machine does not have it.
  const subtle = (globalThis.crypto as Crypto | undefined)?.subtle;
  if (subtle === undefined) return null;
  const digest = new Uint8Array(await subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Whether the digest of a front end is that of its list of files, as Python writes it: JSON with sorted keys and no
 * spaces. Without `crypto.subtle` it is taken as it is.
 *
 * @throws BundleError when it is another
 */
async function checkDigest({ files, digest }: FrontendGraph): Promise<void> {
  // Not by JSON.stringify of the whole: objects put names that are numbers first.
  const entries = Object.entries(files)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, { bytes, sha256: sha }]) => `"${path}":{"bytes":${bytes},"sha256":"${sha}"}`);
  const actual = await sha256(new TextEncoder().encode(`{${entries.join(",")}}`).buffer);
  if (actual !== null && actual !== digest) {
    throw new BundleError("manifest.json: frontend.digest", `is not that of frontend.files (${actual})`);
  }
}

function parseObject(bytes: ArrayBuffer, file: string): Fields {
  return Fields.of(parseJson(bytes, file), `${file}:`, "");
}

function parseJson(bytes: ArrayBuffer, file: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new BundleError(file, "is not JSON", REMEDY_EXPORT, { cause: error });
  }
}

// ----------------------------------------------------------------------------------------------------- validation

/** An object of a JSON file under validation: every getter checks one field and names it in its error. */
class Fields {
  private constructor(
    private readonly values: Readonly<Record<string, unknown>>,
    /** `manifest.json:` */
    private readonly file: string,
    /** `audio.` or empty at the top. */
    private readonly prefix: string,
  ) {}

  static of(value: unknown, file: string, prefix: string): Fields {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      const field = prefix === "" ? file.slice(0, -1) : `${file} ${prefix.slice(0, -1)}`;
      throw new BundleError(field, "must be an object");
    }
    return new Fields(value as Record<string, unknown>, file, prefix);
  }

  path(name: string): string {
    return `${this.file} ${this.prefix}${name}`;
  }

  fail(name: string, problem: string, remedy?: string): never {
    throw new BundleError(this.path(name), problem, remedy);
  }

  raw(name: string): unknown {
    if (!this.has(name)) this.fail(name, "is missing");
    return this.values[name];
  }

  has(name: string): boolean {
    return Object.hasOwn(this.values, name);
  }

  keys(): string[] {
    return Object.keys(this.values);
  }

  schema(known = SCHEMA_VERSION): void {
    const version = this.raw("schema_version");
    if (version !== known) {
      this.fail("schema_version", `is ${JSON.stringify(version)}, this reader knows ${known}`, REMEDY_UPDATE);
    }
  }

  text(name: string): string {
    const value = this.raw(name);
    if (typeof value !== "string" || value === "") this.fail(name, "must be a text that is not empty");
    return value;
  }

  number(name: string, { min = -Infinity, max = Infinity } = {}): number {
    const value = this.raw(name);
    if (typeof value !== "number" || !Number.isFinite(value)) this.fail(name, "must be a finite number");
    if (value < min || value > max) this.fail(name, `is ${value}, it must lie in ${min} ... ${max}`);
    return value;
  }

  /** A number greater than zero. */
  positive(name: string): number {
    const value = this.number(name);
    if (value <= 0) this.fail(name, `is ${value}, it must be greater than 0`);
    return value;
  }

  integer(name: string, min: number, max: number): number {
    const value = this.number(name, { min, max });
    if (!Number.isInteger(value)) this.fail(name, `is ${value}, it must be an integer`);
    return value;
  }

  /** A relative path that stays inside the bundle. */
  filePath(name: string): string {
    const value = this.text(name);
    if (!isSafePath(value)) this.fail(name, `is "${value}", it must be a relative path inside the bundle`);
    return value;
  }

  /** A SHA-256. */
  digest(name: string): string {
    const value = this.text(name);
    if (!/^[0-9a-f]{64}$/.test(value)) this.fail(name, "must be 64 hexadecimal digits");
    return value;
  }

  object(name: string): Fields {
    return Fields.of(this.raw(name), this.file, `${this.prefix}${name}.`);
  }

  list(name: string): unknown[] {
    const value = this.raw(name);
    if (!Array.isArray(value)) this.fail(name, "must be a list");
    return value as unknown[];
  }

  objects(name: string, atLeast = 1): Fields[] {
    const list = this.list(name);
    if (list.length < atLeast) this.fail(name, "must not be empty");
    return list.map((item, i) => Fields.of(item, this.file, `${this.prefix}${name}[${i}].`));
  }

  /** The length of a list of what is projected to: 1 to as many as there may be parameters. */
  size(name: string): number {
    const { length } = this.list(name);
    if (length < 1 || length > MAX_PARAMETERS) {
      this.fail(name, `has ${length} entries, it must have 1 ... ${MAX_PARAMETERS}`);
    }
    return length;
  }

  numbers(name: string, length: number): number[] {
    return this.finite(name, this.list(name), length);
  }

  /** So many integers from 0 on, each below `end`. */
  indices(name: string, length: number, end: number): number[] {
    const indices = this.numbers(name, length);
    indices.forEach((index, i) => {
      if (!Number.isInteger(index) || index < 0 || index >= end) {
        this.fail(`${name}[${i}]`, `is ${index}, it must be an integer in 0 ... ${end - 1}`);
      }
    });
    return indices;
  }

  /** So many rows of so many numbers. */
  matrix(name: string, rows: number, columns: number): number[][] {
    const list = this.list(name);
    if (list.length !== rows) this.fail(name, `has ${list.length} rows, it must have ${rows}`);
    return list.map((row, i) => {
      if (!Array.isArray(row)) this.fail(`${name}[${i}]`, "must be a list");
      return this.finite(`${name}[${i}]`, row as unknown[], columns);
    });
  }

  private finite(name: string, list: readonly unknown[], length: number): number[] {
    if (list.length !== length) this.fail(name, `has ${list.length} numbers, it must have ${length}`);
    return list.map((value, i) => {
      if (typeof value !== "number" || !(Math.abs(value) <= MAX_NUMBER)) {
        this.fail(`${name}[${i}]`, `must be a number of at most ${MAX_NUMBER}`);
      }
      return value;
    });
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T {
    const value = this.text(name);
    const found = allowed.find((candidate) => candidate === value);
    if (found === undefined) this.fail(name, `is "${value}", it must be one of ${allowed.join(", ")}`);
    return found;
  }
}

function isSafePath(path: string): boolean {
  // Allowed characters leave no room for a scheme, an absolute path, a query, an escape or a backslash.
  return /^[\w.-]+(\/[\w.-]+)*$/.test(path) && !path.split("/").some((part) => part === "." || part === "..");
}

type EncoderSize = Pick<Encoder, "name" | "encodingSize">;
type Manifest = Omit<Bundle, "mappings" | "goldens"> & { mappingsPath: string; goldensPath: string };

function parseManifest(manifest: Fields, url: string): Manifest {
  manifest.schema();
  const audio = parseAudio(manifest.object("audio"));
  const files = parseFiles(manifest.object("files"));
  const encoders = manifest.objects("encoders").map((fields) => parseEncoder(fields, audio));
  if (new Set(encoders.map(({ name }) => name)).size < encoders.length) {
    manifest.fail("encoders", "has two encoders of one name");
  }
  const result: Manifest = {
    url,
    name: manifest.text("name"),
    version: manifest.raw("version") === null ? null : manifest.integer("version", 1, MAX_SIZE),
    title: manifest.text("title"),
    created: manifest.text("created"),
    audio,
    frontend: parseFrontend(manifest.object("frontend"), audio, url),
    encoders,
    mappingsPath: manifest.filePath("mappings"),
    goldensPath: manifest.filePath("goldens"),
    card: manifest.filePath("card"),
    quantization: manifest.text("quantization"),
    provenance: parseProvenance(manifest.raw("provenance"), manifest),
    files,
  };
  const named: [string, string][] = [
    ["mappings", result.mappingsPath],
    ["goldens", result.goldensPath],
    ["card", result.card],
    ...encoders.map(({ model }, i): [string, string] => [`encoders[${i}].model`, model]),
  ];
  for (const [field, path] of named) {
    if (!Object.hasOwn(files, path)) manifest.fail(field, `names "${path}", which is not listed in files`);
  }
  return result;
}

function parseAudio(fields: Fields): AudioParams {
  const sampleRateHz = fields.integer("sample_rate_hz", 1, MAX_SAMPLE_RATE_HZ);
  const nMels = fields.integer("n_mels", 1, MAX_SIZE);
  const fMinHz = fields.number("f_min_hz", { min: 0 });
  return {
    preset: fields.text("preset"),
    sampleRateHz,
    nFft: fields.integer("n_fft", 1, MAX_SIZE),
    hopLength: fields.integer("hop_length", 1, MAX_SIZE),
    nMels,
    nMfcc: fields.integer("n_mfcc", 1, nMels),
    fMinHz,
    fMaxHz: fields.number("f_max_hz", { min: fMinHz, max: sampleRateHz / 2 }),
    floorDb: fields.number("floor_db"),
    topDb: fields.raw("top_db") === null ? null : fields.positive("top_db"),
    segmentFrames: fields.integer("segment_frames", 1, MAX_SIZE),
  };
}

function parseFrontend(fields: Fields, audio: AudioParams, bundleUrl: string): FrontendGraph {
  const digest = fields.digest("digest");
  const path = fields.oneOf("path", [OWN_FRONTEND, `../../frontends/${digest}/`]);
  const files = parseFiles(fields.object("files"));
  if (!Object.hasOwn(files, FRONTEND_MODEL)) fields.fail("files", `must list "${FRONTEND_MODEL}"`);
  const inputs = fields.object("inputs");
  const outputs = fields.object("outputs");
  const overlapHops = fields.integer("overlap_hops", 0, MAX_SIZE);
  if ((overlapHops + 1) * audio.hopLength < audio.nFft) {
    fields.fail(
      "overlap_hops",
      `is ${overlapHops}, too few for n_fft ${audio.nFft} at hop ${audio.hopLength}`,
    );
  }
  return {
    url: new URL(path, bundleUrl).href,
    path,
    digest,
    files,
    model: FRONTEND_MODEL,
    inputs: { pcm: inputs.text("pcm"), floorDb: inputs.text("floor_db") },
    outputs: { mfcc: outputs.text("mfcc"), peakDb: outputs.text("peak_db") },
    padSamples: fields.integer("pad_samples", 0, audio.nFft),
    overlapHops,
  };
}

function parseEncoder(fields: Fields, audio: AudioParams): Encoder {
  const name = fields.text("name");
  if (!/^[a-z0-9-]+$/.test(name)) {
    fields.fail("name", `is "${name}", it must be made of small letters, digits and hyphens`);
  }
  const windowFrames = fields.integer("window_frames", 1, MAX_SIZE);
  const windowSeconds = fields.positive("window_seconds");
  const expected = (windowFrames * audio.hopLength) / audio.sampleRateHz;
  if (Math.abs(windowSeconds - expected) > 1e-6) {
    fields.fail("window_seconds", `is ${windowSeconds}, but ${windowFrames} frames last ${expected} s`);
  }
  const outputs = fields.object("outputs");
  for (const what of PROBABILITIES) {
    if (outputs.has(what) !== fields.has(what)) {
      fields.fail(what, `and outputs.${what} must both be there or both be absent`);
    }
  }
  if (fields.has("unsure_below") && !fields.has("genres")) fields.fail("unsure_below", "needs genres");
  return {
    name,
    model: fields.filePath("model"),
    layer: fields.text("layer"),
    inputs: { segments: fields.object("inputs").text("segments") },
    outputs: {
      encoding: outputs.text("encoding"),
      ...(outputs.has("genres") && { genres: outputs.text("genres") }),
      ...(outputs.has("tags") && { tags: outputs.text("tags") }),
    },
    encodingSize: fields.integer("encoding_size", 1, MAX_SIZE),
    ...(fields.has("genres") && { genres: parseNames(fields, "genres") }),
    ...(fields.has("unsure_below") && { unsureBelow: fields.number("unsure_below", { min: 0, max: 1 }) }),
    ...(fields.has("tags") && { tags: parseTags(fields.object("tags")) }),
    windowFrames,
    windowSeconds,
    stepSeconds: fields.positive("step_seconds"),
    timeOffsetSeconds: fields.number("time_offset_seconds", { min: 0, max: windowSeconds }),
  };
}

/** What the probabilities of a row are of. */
function parseNames(fields: Fields, field: string): readonly string[] {
  const names = fields.list(field).map((name, i) => {
    if (typeof name !== "string" || name === "") {
      fields.fail(`${field}[${i}]`, "must be a text that is not empty");
    }
    return name;
  });
  if (names.length < 2 || names.length > MAX_NAMES) {
    fields.fail(field, `has ${names.length} entries, it must have 2 ... ${MAX_NAMES}`);
  }
  if (new Set(names).size < names.length) fields.fail(field, "has an entry twice");
  return names;
}

function parseTags(fields: Fields): Tags {
  const names = parseNames(fields, "names");
  const descriptors = fields
    .objects("descriptors", 0)
    .map((descriptor) => parseDescriptor(descriptor, names.length));
  if (descriptors.length > MAX_NAMES) {
    fields.fail("descriptors", `has ${descriptors.length} entries, it must have at most ${MAX_NAMES}`);
  }
  if (new Set(descriptors.map(({ kind, name }) => `${kind} ${name}`)).size < descriptors.length) {
    fields.fail("descriptors", "has two descriptors of one kind and name");
  }
  return { names, descriptors };
}

function parseDescriptor(fields: Fields, nTags: number): Descriptor {
  const count = fields.list("tags").length;
  if (count < 1 || count > nTags) {
    fields.fail("tags", `has ${count} entries, it must have 1 ... ${nTags}`);
  }
  const tags = fields.indices("tags", count, nTags);
  if (new Set(tags).size < count) fields.fail("tags", "has a tag twice");
  return {
    kind: fields.oneOf("kind", DESCRIPTOR_KINDS),
    name: fields.text("name"),
    tags,
    typical: fields.number("typical", { min: -MAX_NUMBER, max: MAX_NUMBER }),
    spread: fields.number("spread", { min: 1 / MAX_NUMBER, max: MAX_NUMBER }),
  };
}

function parseProvenance(value: unknown, manifest: Fields): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    manifest.fail("provenance", "must be an object");
  }
  return value as Record<string, unknown>;
}

function parseFiles(fields: Fields): Readonly<Record<string, BundleFile>> {
  return Object.fromEntries(
    fields.keys().map((path) => {
      if (!isSafePath(path)) fields.fail(path, "must be a relative path inside the bundle");
      const file = fields.object(path);
      return [path, { bytes: file.integer("bytes", 0, MAX_FILE_BYTES), sha256: file.digest("sha256") }];
    }),
  );
}

/**
 * Validate what `mappings.json` holds.
 *
 * @param values its JSON
 * @param encoders those of the manifest
 * @throws BundleError naming the field that is wrong
 */
export function parseMappings(
  values: unknown,
  encoders: readonly EncoderSize[],
  path = "mappings.json",
): Mappings {
  const fields = Fields.of(values, `${path}:`, "");
  fields.schema();
  const nParameters = fields.integer("n_parameters", 1, MAX_PARAMETERS);
  const chosen = fields.object("default");
  const projections = fields
    .objects("projections")
    .map((projection) => parseProjection(projection, nParameters, encoders));
  if (new Set(projections.map(({ name }) => name)).size < projections.length) {
    fields.fail("projections", "has two projections of one name");
  }
  const mappings: Mappings = {
    nParameters,
    default: {
      projection: chosen.text("projection"),
      mode: chosen.text("mode"),
      method: chosen.text("method"),
    },
    time: parseTime(fields.object("time")),
    projections,
  };
  try {
    findMapping({ mappings });
  } catch (error) {
    throw new BundleError(
      `${path}: default`,
      `is not offered: ${(error as RangeError).message.slice(0, -1)}`,
    );
  }
  return mappings;
}

function parseTime(fields: Fields): TimeSettings {
  return {
    interpolation: fields.oneOf("interpolation", INTERPOLATIONS),
    attack: fields.number("attack", { min: 0, max: 1 }),
    release: fields.number("release", { min: 0, max: 1 }),
    tickSeconds: fields.number("tick_seconds", { min: 0.001, max: 1 }),
    lookAheadSeconds: fields.number("look_ahead_seconds", { min: -10, max: 10 }),
  };
}

function parseProjection(fields: Fields, nParameters: number, encoders: readonly EncoderSize[]): Projection {
  const parts = fields.objects("parts").map((part) => parsePart(part, encoders));
  if (new Set(parts.map(({ encoder }) => encoder)).size < parts.length) {
    fields.fail("parts", "has two parts of one encoder");
  }
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  if (size !== nParameters) fields.fail("parts", `give ${size} numbers for ${nParameters} parameters`);
  const scalings = fields.objects("scalings").map((scaling) => parseScaling(scaling, nParameters));
  if (new Set(scalings.map(({ mode, method }) => `${mode} ${method}`)).size < scalings.length) {
    fields.fail("scalings", "has two scalings of one mode and method");
  }
  return { name: fields.oneOf("name", PROJECTIONS), parts, scalings };
}

/** The sizes of its steps chain from the encoding's to `size`. */
function parsePart(fields: Fields, encoders: readonly EncoderSize[]): Part {
  const encoder = fields.text("encoder");
  const found = encoders.find(({ name }) => name === encoder);
  if (found === undefined) fields.fail("encoder", `is "${encoder}", the manifest has no such encoder`);
  const steps: Step[] = [];
  let size = found.encodingSize;
  if (fields.list("steps").length > MAX_STEPS) fields.fail("steps", `must hold at most ${MAX_STEPS}`);
  for (const step of fields.objects("steps", 0)) {
    const [parsed, sizeAfter] = parseStep(step, size);
    steps.push(parsed);
    size = sizeAfter;
  }
  return { encoder, encodingSize: found.encodingSize, steps, size };
}

/** @returns the step and the size of what it gives */
function parseStep(fields: Fields, size: number): [Step, number] {
  const kind = fields.oneOf("kind", ["select", "scale", "affine", "inverse-distance"]);
  switch (kind) {
    case "select": {
      const indices = fields.indices("indices", fields.size("indices"), size);
      return [{ kind, indices }, indices.length];
    }
    case "scale":
      return [{ kind, gain: fields.numbers("gain", size), offset: fields.numbers("offset", size) }, size];
    case "affine": {
      const nOut = fields.size("offset");
      const matrix = fields.matrix("matrix", size, nOut);
      return [{ kind, matrix, offset: fields.numbers("offset", nOut) }, nOut];
    }
    case "inverse-distance": {
      const centroids = fields.matrix("centroids", fields.size("centroids"), size);
      return [{ kind, centroids, floor: fields.number("floor", { min: 1e-9, max: 1e9 }) }, centroids.length];
    }
  }
}

function parseScaling(fields: Fields, nParameters: number): Scaling {
  const mode = fields.oneOf("mode", SCALING_MODES);
  const method = fields.oneOf("method", ["standard", "minmax", "robust", "per-track"]);
  const gain = fields.numbers("gain", nParameters);
  const offset = fields.numbers("offset", nParameters);
  if (method !== "per-track") return { mode, method, gain, offset };
  const [low = NaN, high = NaN] = fields.numbers("percentiles", 2);
  if (!(low >= 0 && low < high && high <= 100)) {
    fields.fail("percentiles", `are ${low} and ${high}, they must rise within 0 ... 100`);
  }
  const maxBoost = fields.number("max_boost", { min: 0, max: MAX_NUMBER });
  return { mode, method, gain, offset, percentiles: [low, high], maxBoost };
}

function parseGoldens(
  fields: Fields,
  path: string,
  manifest: Pick<Bundle, "files" | "encoders" | "audio">,
  nParameters: number,
): Goldens {
  fields.schema();
  const stages = fields.object("stages");
  const encodings = fields.object("encodings");
  const tolerance = fields.object("tolerance");
  /** @param columns size of the rows; null for a single list of numbers */
  const stage = (entry: Fields, columns: number | null): GoldenStage => {
    const dtype = entry.oneOf("dtype", ["int16", "float32"]);
    const shape = entry.numbers("shape", columns === null ? 1 : 2);
    if (!shape.every((size) => Number.isInteger(size) && size > 0)) {
      entry.fail("shape", "must hold positive integers");
    }
    if (columns !== null && shape[1] !== columns) {
      entry.fail("shape", `has rows of ${shape[1] ?? 0}, they must have ${columns}`);
    }
    const file = entry.filePath("file");
    const listed = Object.hasOwn(manifest.files, file) ? manifest.files[file] : undefined;
    if (listed === undefined) entry.fail("file", `is "${file}", which is not listed in the manifest`);
    const bytes = sizeOf(shape) * (dtype === "int16" ? 2 : 4);
    if (listed.bytes !== bytes) {
      entry.fail("shape", `needs ${bytes} bytes, the manifest lists ${listed.bytes} for ${path}'s "${file}"`);
    }
    return { file, dtype, shape };
  };
  const encodingStages = Object.fromEntries(
    manifest.encoders.map(({ name, encodingSize }) => [name, stage(encodings.object(name), encodingSize)]),
  );
  const probabilityStages = (what: ProbabilityName): Record<string, GoldenStage> => {
    const telling = manifest.encoders.flatMap((encoder) =>
      probabilitySizes(encoder)
        .filter(([output]) => output === what)
        .map(([, size]) => [encoder.name, size] as const),
    );
    if (what === "tags" && telling.length === 0 && !fields.has(what)) return {}; // as before there were tags
    const entries = fields.object(what);
    for (const name of entries.keys()) {
      if (!telling.some(([encoder]) => encoder === name)) {
        entries.fail(name, `belongs to no encoder that has ${what}`);
      }
    }
    return Object.fromEntries(
      telling.map(([name, size]) => {
        const entry = entries.object(name);
        const golden = stage(entry, size);
        const [rows = 0] = encodingStages[name]?.shape ?? [];
        if (golden.shape[0] !== rows) {
          entry.fail("shape", `has ${golden.shape[0] ?? 0} rows, the encodings have ${rows}`);
        }
        return [name, golden];
      }),
    );
  };
  return {
    stages: {
      pcm: stage(stages.object("pcm"), null),
      mfcc: stage(stages.object("mfcc"), manifest.audio.nMfcc),
      parameters: stage(stages.object("parameters"), nParameters),
    },
    encodings: encodingStages,
    genres: probabilityStages("genres"),
    tags: probabilityStages("tags"),
    tolerance: {
      mfcc: tolerance.positive("mfcc"),
      encoding: tolerance.positive("encoding"),
      genres: tolerance.positive("genres"),
      parameters: tolerance.positive("parameters"),
    },
  };
}

function parseRegistry(fields: Fields, url: string): Registry {
  fields.schema(REGISTRY_SCHEMA_VERSION);
  if (fields.list("bundles").length === 0) return { url, bundles: [] };
  const bundles = fields.objects("bundles").map((entry: Fields): RegistryEntry => {
    const name = entry.text("name");
    if (!isSafePath(name) || name.includes("/")) entry.fail("name", `is "${name}", no folder's name`);
    const versions = entry.list("versions").map((version, i) => {
      if (typeof version !== "number" || !Number.isSafeInteger(version) || version < 1) {
        entry.fail(`versions[${i}]`, "must be a positive integer");
      }
      return version;
    });
    const latest = entry.integer("latest", 1, MAX_SIZE);
    if (!versions.includes(latest)) entry.fail("latest", `is ${latest}, which is not among the versions`);
    return {
      name,
      title: entry.text("title"),
      versions,
      latest,
      latestUrl: new URL(`${name}/${latest}/`, url).href,
    };
  });
  return { url, bundles };
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
