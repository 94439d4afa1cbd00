/**
 * The only reader of bundles (docs/bundle-format.md): fetches, validates every field, verifies what it downloads.
 * What comes out is plain data that can be posted to a worker; no other file knows the JSON's names.
 */

const SCHEMA_VERSION = 1;
/** JSON files are small; a server that sends more is not sending a bundle. */
const MAX_JSON_BYTES = 16 * 2 ** 20;
/** No model that a browser could run is larger. */
const MAX_FILE_BYTES = 2 ** 30;
const MAX_SAMPLE_RATE_HZ = 768_000;
const MAX_SIZE = 2 ** 20;

/** A bundle or registry that cannot be used: which field of which file, what is wrong, and a way on. */
export class BundleError extends Error {
  /** The offending field, like `manifest.json: audio.hop_length`, or the file. */
  readonly field: string;
  /** What is wrong with it, as the rest of a sentence. */
  readonly problem: string;
  /** What a person can do about it. */
  readonly remedy: string;

  constructor(field: string, problem: string, remedy: string = REMEDY_EXPORT) {
    super(`${field} ${problem}. ${remedy}`);
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

/** The front end's graph: PCM -> MFCC. The names are tensors of the graph. */
export interface FrontendGraph {
  readonly model: string;
  readonly inputs: { readonly pcm: string; readonly floorDb: string };
  readonly outputs: { readonly mfcc: string; readonly peakDb: string };
  /** Zeros before the track's first sample, so that frames are centred. */
  readonly padSamples: number;
  /** Hops of PCM that give no row of their own: `n / hopLength - overlapHops` rows. */
  readonly overlapHops: number;
}

/** One encoder's graph: segments of MFCC -> encodings. */
export interface Encoder {
  readonly name: string;
  readonly model: string;
  readonly layer: string;
  readonly inputs: { readonly segments: string };
  readonly outputs: { readonly encoding: string };
  readonly encodingSize: number;
  readonly windowFrames: number;
  readonly windowSeconds: number;
  /** The hop at which a player should run this encoder. */
  readonly stepSeconds: number;
  /** The middle of the first segment. */
  readonly timeOffsetSeconds: number;
}

/** `clip(gain * y + offset, 0, 1)`, element by element. */
export interface Scaling {
  readonly mode: string;
  readonly method: string;
  /** Shape [nParameters]. */
  readonly gain: readonly number[];
  /** Shape [nParameters]. */
  readonly offset: readonly number[];
}

/** Encoding -> `nParameters` numbers. `identity` is the only kind of schema 1. */
export interface Projection {
  readonly name: string;
  readonly kind: "identity";
  /** Name of the encoder whose encodings it takes. */
  readonly encoder: string;
  readonly scalings: readonly Scaling[];
}

/** One choice of projection and scaling: encoding -> parameters. */
export interface Mapping {
  readonly projection: Projection;
  readonly scaling: Scaling;
}

export interface Mappings {
  readonly nParameters: number;
  readonly default: { readonly projection: string; readonly mode: string; readonly method: string };
  readonly smoothing: { readonly retention: number; readonly tickSeconds: number };
  readonly projections: readonly Projection[];
}

export interface GoldenStage {
  readonly file: string;
  readonly dtype: "int16" | "float32";
  readonly shape: readonly number[];
}

/** A PCM input and what every stage made of it in Python. */
export interface Goldens {
  readonly hopSeconds: number;
  readonly stages: Readonly<Record<GoldenStageName, GoldenStage>>;
  /** Largest absolute difference that a client may show. */
  readonly tolerance: { readonly mfcc: number; readonly encoding: number };
}

export type GoldenStageName = "pcm" | "mfcc" | "encoding" | "parameters";

/** A file of the bundle as the manifest lists it; `path` is relative to the bundle. */
export interface BundleFile {
  readonly bytes: number;
  readonly sha256: string;
}

/** A validated bundle: plain data, safe to post to a worker. */
export interface Bundle {
  /** Absolute address of the bundle's folder, with a slash at its end. */
  readonly url: string;
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
  readonly quantization: string;
  /** Where it came from, for people; nothing is computed from it. */
  readonly provenance: Readonly<Record<string, unknown>>;
  readonly files: Readonly<Record<string, BundleFile>>;
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
  const partial = parseManifest(parseJson(manifest, "manifest.json"), folder);
  const [mappings, goldens] = await Promise.all([
    readBundleFile(partial, partial.mappingsPath, signal),
    readBundleFile(partial, partial.goldensPath, signal),
  ]);
  const { mappingsPath, goldensPath, ...rest } = partial;
  return {
    ...rest,
    mappings: parseMappings(parseJson(mappings, mappingsPath), mappingsPath, rest.encoders),
    goldens: parseGoldens(parseJson(goldens, goldensPath), goldensPath, rest),
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
  return parseRegistry(parseJson(bytes, "index.json"), folder);
}

/**
 * Download one file of a bundle and check its length and SHA-256 against the manifest. The hash needs `crypto.subtle`,
 * which browsers give to secure contexts (https and localhost) only; elsewhere the length alone is checked.
 *
 * @param path a path that the manifest lists
 * @throws BundleError when the file is missing, of another length, or has another hash
 */
export async function readBundleFile(
  bundle: Pick<Bundle, "url" | "files">,
  path: string,
  signal?: AbortSignal,
): Promise<ArrayBuffer> {
  const file = Object.hasOwn(bundle.files, path) ? bundle.files[path] : undefined;
  if (file === undefined) throw new BundleError(`files["${path}"]`, "is not listed in the manifest");
  const bytes = await fetchBytes(new URL(path, bundle.url).href, path, file.bytes, signal);
  if (bytes.byteLength !== file.bytes) {
    throw new BundleError(
      path,
      `has ${bytes.byteLength} bytes where the manifest lists ${file.bytes}`,
      REMEDY_RELOAD,
    );
  }
  const digest = await sha256(bytes);
  if (digest !== null && digest !== file.sha256) {
    throw new BundleError(path, "is not the file that the manifest lists (SHA-256 differs)", REMEDY_RELOAD);
  }
  return bytes;
}

/**
 * Read one stage of the goldens as numbers, row by row. int16 becomes the float that the front end takes.
 *
 * @returns float32 of the stage's shape, flattened
 * @throws BundleError as `readBundleFile`
 */
export async function readGolden(
  bundle: Bundle,
  name: GoldenStageName,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const stage = bundle.goldens.stages[name];
  const view = new DataView(await readBundleFile(bundle, stage.file, signal));
  const values = new Float32Array(sizeOf(stage.shape));
  for (let i = 0; i < values.length; i++) {
    values[i] = stage.dtype === "int16" ? view.getInt16(2 * i, true) / 32768 : view.getFloat32(4 * i, true);
  }
  return values;
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

/** The encoder that the default mapping takes. */
export function defaultEncoder(bundle: Pick<Bundle, "encoders" | "mappings">): Encoder {
  return findEncoder(bundle, findMapping(bundle).projection.encoder);
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
    throw new BundleError(what, `cannot be fetched from ${url} (${String(error)})`, REMEDY_CONNECTION);
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
    throw new BundleError(what, `broke off while it was fetched (${String(error)})`, REMEDY_CONNECTION);
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

function parseJson(bytes: ArrayBuffer, file: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new BundleError(file, `is not JSON (${String(error)})`);
  }
  return Fields.of(value, `${file}:`, "");
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
    if (!Object.hasOwn(this.values, name)) this.fail(name, "is missing");
    return this.values[name];
  }

  keys(): string[] {
    return Object.keys(this.values);
  }

  schema(): void {
    const version = this.raw("schema_version");
    if (version !== SCHEMA_VERSION) {
      this.fail(
        "schema_version",
        `is ${JSON.stringify(version)}, this reader knows ${SCHEMA_VERSION}`,
        REMEDY_UPDATE,
      );
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

  object(name: string): Fields {
    return Fields.of(this.raw(name), this.file, `${this.prefix}${name}.`);
  }

  list(name: string): unknown[] {
    const value = this.raw(name);
    if (!Array.isArray(value)) this.fail(name, "must be a list");
    return value as unknown[];
  }

  objects(name: string): Fields[] {
    const list = this.list(name);
    if (list.length === 0) this.fail(name, "must not be empty");
    return list.map((item, i) => Fields.of(item, this.file, `${this.prefix}${name}[${i}].`));
  }

  numbers(name: string, length: number): number[] {
    const list = this.list(name);
    if (list.length !== length) this.fail(name, `has ${list.length} numbers, it must have ${length}`);
    return list.map((value, i) => {
      if (typeof value !== "number" || !Number.isFinite(value)) {
        this.fail(`${name}[${i}]`, "must be a finite number");
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
    frontend: parseFrontend(manifest.object("frontend"), audio),
    encoders,
    mappingsPath: manifest.filePath("mappings"),
    goldensPath: manifest.filePath("goldens"),
    quantization: manifest.text("quantization"),
    provenance: parseProvenance(manifest.raw("provenance"), manifest),
    files,
  };
  const named: [string, string][] = [
    ["mappings", result.mappingsPath],
    ["goldens", result.goldensPath],
    ["frontend.model", result.frontend.model],
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

function parseFrontend(fields: Fields, audio: AudioParams): FrontendGraph {
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
    model: fields.filePath("model"),
    inputs: { pcm: inputs.text("pcm"), floorDb: inputs.text("floor_db") },
    outputs: { mfcc: outputs.text("mfcc"), peakDb: outputs.text("peak_db") },
    padSamples: fields.integer("pad_samples", 0, audio.nFft),
    overlapHops,
  };
}

function parseEncoder(fields: Fields, audio: AudioParams): Encoder {
  const windowFrames = fields.integer("window_frames", 1, MAX_SIZE);
  const windowSeconds = fields.positive("window_seconds");
  const expected = (windowFrames * audio.hopLength) / audio.sampleRateHz;
  if (Math.abs(windowSeconds - expected) > 1e-6) {
    fields.fail("window_seconds", `is ${windowSeconds}, but ${windowFrames} frames last ${expected} s`);
  }
  return {
    name: fields.text("name"),
    model: fields.filePath("model"),
    layer: fields.text("layer"),
    inputs: { segments: fields.object("inputs").text("segments") },
    outputs: { encoding: fields.object("outputs").text("encoding") },
    encodingSize: fields.integer("encoding_size", 1, MAX_SIZE),
    windowFrames,
    windowSeconds,
    stepSeconds: fields.positive("step_seconds"),
    timeOffsetSeconds: fields.number("time_offset_seconds", { min: 0, max: windowSeconds }),
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
      const sha = file.text("sha256");
      if (!/^[0-9a-f]{64}$/.test(sha)) file.fail("sha256", "must be 64 hexadecimal digits");
      return [path, { bytes: file.integer("bytes", 0, MAX_FILE_BYTES), sha256: sha }];
    }),
  );
}

function parseMappings(fields: Fields, path: string, encoders: readonly Encoder[]): Mappings {
  fields.schema();
  const nParameters = fields.integer("n_parameters", 1, MAX_SIZE);
  const chosen = fields.object("default");
  const smoothing = fields.object("smoothing");
  const projections = fields.objects("projections").map((projection: Fields): Projection => {
    const encoder = projection.text("encoder");
    const found = encoders.find(({ name }) => name === encoder);
    if (found === undefined) projection.fail("encoder", `is "${encoder}", the manifest has no such encoder`);
    const kind = projection.oneOf("kind", ["identity"]);
    if (found.encodingSize !== nParameters) {
      projection.fail(
        "kind",
        `is identity, but the encoder gives ${found.encodingSize} numbers for ${nParameters} parameters`,
      );
    }
    return {
      name: projection.text("name"),
      kind,
      encoder,
      scalings: projection.objects("scalings").map((scaling) => ({
        mode: scaling.text("mode"),
        method: scaling.text("method"),
        gain: scaling.numbers("gain", nParameters),
        offset: scaling.numbers("offset", nParameters),
      })),
    };
  });
  const mappings: Mappings = {
    nParameters,
    default: {
      projection: chosen.text("projection"),
      mode: chosen.text("mode"),
      method: chosen.text("method"),
    },
    smoothing: {
      retention: smoothing.number("retention", { min: 0, max: 1 }),
      tickSeconds: smoothing.positive("tick_seconds"),
    },
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

function parseGoldens(fields: Fields, path: string, manifest: Pick<Bundle, "files">): Goldens {
  fields.schema();
  const stages = fields.object("stages");
  const tolerance = fields.object("tolerance");
  const stage = (name: GoldenStageName, rank: number): GoldenStage => {
    const entry: Fields = stages.object(name);
    const dtype = entry.oneOf("dtype", ["int16", "float32"]);
    const shape = entry.numbers("shape", rank);
    if (!shape.every((size) => Number.isInteger(size) && size > 0)) {
      entry.fail("shape", "must hold positive integers");
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
  return {
    hopSeconds: fields.positive("hop_seconds"),
    stages: {
      pcm: stage("pcm", 1),
      mfcc: stage("mfcc", 2),
      encoding: stage("encoding", 2),
      parameters: stage("parameters", 2),
    },
    tolerance: { mfcc: tolerance.positive("mfcc"), encoding: tolerance.positive("encoding") },
  };
}

function parseRegistry(fields: Fields, url: string): Registry {
  fields.schema();
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
