import { afterEach, describe, expect, it, vi } from "vitest";
import {
  BundleError,
  findEncoder,
  findMapping,
  loadBundle,
  loadRegistry,
  probabilitySizes,
  readBundleFile,
  readGolden,
} from "./bundle";
import {
  TOY_DESCRIPTORS,
  TOY_URL,
  toyFetch,
  toyFiles,
  type Json,
  type ToyOptions,
} from "./testing/toy-bundle";

afterEach(() => void vi.unstubAllGlobals());

async function load(options: ToyOptions = {}) {
  vi.stubGlobal("fetch", toyFetch(await toyFiles(options)));
  return loadBundle(TOY_URL);
}

async function failure(promise: Promise<unknown>): Promise<BundleError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(BundleError);
  return error as BundleError;
}

describe("a good bundle", () => {
  it("is read with or without a slash at its end", async () => {
    const bundle = await load();
    expect(await loadBundle(TOY_URL.slice(0, -1))).toEqual(bundle);
    expect(bundle.url).toBe(TOY_URL);
    expect(bundle.version).toBeNull();
    expect(bundle.audio).toMatchObject({ sampleRateHz: 100, hopLength: 4, topDb: null });
    expect(bundle.frontend).toMatchObject({ padSamples: 4, overlapHops: 1, url: `${TOY_URL}frontend/` });
    expect(bundle.card).toBe("card.md");
    expect(structuredClone(bundle)).toEqual(bundle);
  });

  it("may hold several encoders", async () => {
    const bundle = await load({ wide: true });
    expect(bundle.encoders.map(({ name, windowFrames }) => [name, windowFrames])).toEqual([
      ["wide", 6],
      ["toy", 3],
    ]);
    expect(Object.keys(bundle.goldens.encodings)).toEqual(["wide", "toy"]);
    const [raw, kmeans] = bundle.mappings.projections;
    expect(raw!.parts).toEqual([
      { encoder: "toy", encodingSize: 2, steps: [{ kind: "select", indices: [0] }], size: 1 },
      { encoder: "wide", encodingSize: 2, steps: [{ kind: "select", indices: [1] }], size: 1 },
    ]);
    expect(kmeans!.parts[0]!.steps.map(({ kind }) => kind)).toEqual(["scale", "inverse-distance", "affine"]);
  });

  it("may share its front end with the others of a registry", async () => {
    const alone = await load();
    const bundle = await load({ sharedFrontend: true });
    const { digest } = bundle.frontend;
    expect(bundle.frontend.url).toBe(`http://toy.test/registry/frontends/${digest}/`);
    expect({ ...bundle.frontend, url: "", path: "" }).toEqual({ ...alone.frontend, url: "", path: "" });
    const shard = await readBundleFile(bundle.frontend, "shard.bin");
    expect(shard.byteLength).toBe(bundle.frontend.files["shard.bin"]!.bytes);
    // What Python makes of the same list: hashlib.sha256(json.dumps(files, sort_keys=True, separators=(",", ":"))).
    expect(digest).toBe("66ecfc6c2b6fc5eb18ef93fb9c5fd0933e3d8eda3c3e31f979c8faa42121dfcc");
  });

  it("names a classifier's genres, and only a classifier's", async () => {
    const { encoders, goldens } = await load({ wide: true, classifier: true });
    const [wide, toy] = encoders;
    expect(toy).toMatchObject({
      outputs: { encoding: "Identity:0", genres: "Identity_1:0" },
      genres: ["Calm", "Loud", "Odd"],
    });
    expect(wide!.outputs).toEqual({ encoding: "Identity:0" });
    expect(wide).not.toHaveProperty("genres");
    expect(Object.keys(goldens.genres)).toEqual(["toy"]);
    expect(goldens.genres.toy!.shape).toEqual([goldens.encodings.toy!.shape[0], 3]);
    expect((await load()).goldens.genres).toEqual({});
  });

  it("names a tagger's tags, their descriptors, and from where on it is sure", async () => {
    const { encoders, goldens } = await load({ tagger: true });
    const [tagger, toy] = encoders;
    expect(tagger).toMatchObject({
      outputs: { encoding: "Identity:0", genres: "Identity_1:0", tags: "Identity_2:0" },
      genres: ["Calm", "Loud", "Odd"],
      unsureBelow: 0.4,
      tags: { names: ["slow", "guitar", "beat", "choir"], descriptors: TOY_DESCRIPTORS },
    });
    expect(probabilitySizes(tagger!)).toEqual([
      ["genres", 3],
      ["tags", 4],
    ]);
    expect(probabilitySizes(toy!)).toEqual([]);
    expect(goldens.tags.tagger!.shape).toEqual([1, 4]);
    // Bundles without tags do not speak of them.
    expect((await load({ classifier: true })).goldens.tags).toEqual({});
  });

  it("gives its mappings by name", async () => {
    const bundle = await load();
    expect(findMapping(bundle).scaling.gain).toEqual([0.5, 0.5]);
    expect(findMapping(bundle, { mode: "across", method: "minmax" }).scaling.gain).toEqual([1, 1]);
    expect(() => findMapping(bundle, { mode: "across" })).toThrow(RangeError);
    expect(findMapping(bundle, { method: "per-track" }).scaling).toMatchObject({
      percentiles: [2.5, 97.5],
      maxBoost: 4,
    });
    expect(() => findMapping(bundle, { projection: "pca" })).toThrow(/no projection "pca"/);
    expect(() => findEncoder(bundle, "other")).toThrow(RangeError);
  });

  it("gives its goldens as numbers", async () => {
    const bundle = await load();
    const pcm = await readGolden(bundle, bundle.goldens.stages.pcm);
    expect(pcm).toHaveLength(60);
    expect(Math.max(...pcm.map(Math.abs))).toBeLessThan(1);
    for (const stage of Object.values(bundle.goldens.encodings)) {
      expect(await readGolden(bundle, stage)).toHaveLength(stage.shape[0]! * 2);
    }
  });
});

const REMOVED = Symbol("removed");
const GENRES = "goldens/genres-toy.bin";

/** A file, the field that the error must name, its wrong value; the path of the damage where it is another one. */
const damages: [file: string, field: string, value: unknown, path?: string][] = [
  ["manifest.json", "schema_version", 2],
  ["manifest.json", "schema_version", 4],
  ["manifest.json", "schema_version", REMOVED],
  ["manifest.json", "name", ""],
  ["manifest.json", "version", 0],
  ["manifest.json", "version", REMOVED],
  ["manifest.json", "title", 5],
  ["manifest.json", "created", REMOVED],
  ["manifest.json", "quantization", null],
  ["manifest.json", "provenance", []],
  ["manifest.json", "audio", []],
  ["manifest.json", "audio.preset", REMOVED],
  ["manifest.json", "audio.sample_rate_hz", 0],
  ["manifest.json", "audio.n_fft", 8.5],
  ["manifest.json", "audio.hop_length", "4"],
  ["manifest.json", "audio.hop_length", -4],
  ["manifest.json", "audio.n_mels", 1e9],
  ["manifest.json", "audio.n_mfcc", 3],
  ["manifest.json", "audio.f_min_hz", -1],
  ["manifest.json", "audio.f_max_hz", 51],
  ["manifest.json", "audio.floor_db", null],
  ["manifest.json", "audio.top_db", 0],
  ["manifest.json", "audio.top_db", REMOVED],
  ["manifest.json", "audio.segment_frames", 0],
  ["manifest.json", "frontend.path", REMOVED],
  ["manifest.json", "frontend.path", "frontend"],
  ["manifest.json", "frontend.path", "../frontend/"],
  ["manifest.json", "frontend.path", `../../frontends/${"0".repeat(64)}/`],
  ["manifest.json", "frontend.path", "http://other.test/"],
  ["manifest.json", "frontend.digest", REMOVED],
  ["manifest.json", "frontend.digest", "0".repeat(63)],
  ["manifest.json", "frontend.digest", "0".repeat(64)],
  ["manifest.json", "frontend.files", REMOVED],
  ["manifest.json", "frontend.files", {}],
  ["manifest.json", "frontend.inputs.pcm", REMOVED],
  ["manifest.json", "frontend.inputs.floor_db", ""],
  ["manifest.json", "frontend.outputs.mfcc", 1],
  ["manifest.json", "frontend.outputs.peak_db", REMOVED],
  ["manifest.json", "frontend.pad_samples", 9],
  ["manifest.json", "frontend.overlap_hops", 0],
  ["manifest.json", "encoders", []],
  ["manifest.json", "encoders[0].name", REMOVED],
  ["manifest.json", "encoders[0].name", "Toy 2"],
  ["manifest.json", "encoders[0].model", "http://a/model.json"],
  ["manifest.json", "encoders[0].layer", REMOVED],
  ["manifest.json", "encoders[0].inputs.segments", REMOVED],
  ["manifest.json", "encoders[0].outputs", null],
  ["manifest.json", "encoders[0].outputs.genres", ""],
  ["manifest.json", "encoders[0].genres", REMOVED],
  ["manifest.json", "encoders[0].genres", REMOVED, "encoders[0].outputs.genres"],
  ["manifest.json", "encoders[0].genres", "Calm"],
  ["manifest.json", "encoders[0].genres", ["Calm"]],
  ["manifest.json", "encoders[0].genres", Array.from({ length: 257 }, (_, i) => String(i))],
  ["manifest.json", "encoders[0].genres", ["Calm", "Loud", "Calm"]],
  ["manifest.json", "encoders[0].genres[1]", ""],
  ["manifest.json", "encoders[0].genres[2]", 3],
  ["manifest.json", "encoders[0].encoding_size", 0],
  ["manifest.json", "encoders[0].window_frames", 0],
  ["manifest.json", "encoders[0].window_seconds", 1],
  ["manifest.json", "encoders[0].step_seconds", 0],
  ["manifest.json", "encoders[0].time_offset_seconds", 9],
  ["manifest.json", "mappings", "/etc/passwd"],
  ["manifest.json", "goldens", "goldens\\goldens.json"],
  ["manifest.json", "card", REMOVED],
  ["manifest.json", "card", "../card.md"],
  ["manifest.json", "card", "other.md"],
  ["mappings.json", "schema_version", 2],
  ["mappings.json", "n_parameters", 0],
  ["mappings.json", "n_parameters", 1e4],
  ["mappings.json", "default", "none", "default.method"],
  ["mappings.json", "default.projection", REMOVED],
  ["mappings.json", "time", REMOVED],
  ["mappings.json", "time.interpolation", "cubic"],
  ["mappings.json", "time.attack", 1.1],
  ["mappings.json", "time.release", -0.1],
  ["mappings.json", "time.tick_seconds", 0],
  ["mappings.json", "time.look_ahead_seconds", 11],
  ["mappings.json", "projections", []],
  ["mappings.json", "projections", "raw", "projections[1].name"],
  ["mappings.json", "projections[0].name", "tsne"],
  ["mappings.json", "projections[0].parts", []],
  ["mappings.json", "projections[0].parts", 3, "n_parameters"],
  ["mappings.json", "projections[0].parts[0].encoder", "other"],
  ["mappings.json", "projections[0].parts[0].steps", REMOVED],
  ["mappings.json", "projections[0].parts[0].steps", Array(5).fill({ kind: "select", indices: [0, 1] })],
  ["mappings.json", "projections[1].parts[0].steps[0].kind", "eval"],
  ["mappings.json", "projections[1].parts[0].steps[0].gain", [1]],
  ["mappings.json", "projections[1].parts[0].steps[1].centroids", []],
  ["mappings.json", "projections[1].parts[0].steps[1].centroids", Array(101).fill([0, 0])],
  ["mappings.json", "projections[1].parts[0].steps[1].centroids[2]", [1]],
  ["mappings.json", "projections[1].parts[0].steps[1].floor", 0],
  ["mappings.json", "projections[1].parts[0].steps[2].matrix", [[1, 1]]],
  ["mappings.json", "projections[1].parts[0].steps[2].matrix[1]", [1, 2, 3]],
  ["mappings.json", "projections[1].parts[0].steps[2].matrix[1]", 4],
  ["mappings.json", "projections[1].parts[0].steps[2].matrix[0][1]", 1e39],
  ["mappings.json", "projections[0].scalings", {}],
  ["mappings.json", "projections[0].scalings", "standard", "projections[0].scalings[2].method"],
  ["mappings.json", "projections[0].scalings[0].mode", "both"],
  ["mappings.json", "projections[0].scalings[0].method", "max"],
  ["mappings.json", "projections[0].scalings[1].gain", [1]],
  ["mappings.json", "projections[0].scalings[0].offset[1]", null],
  ["mappings.json", "projections[0].scalings[2].percentiles", [97.5, 2.5]],
  ["mappings.json", "projections[0].scalings[2].max_boost", REMOVED],
  ["goldens/goldens.json", "stages.mfcc", REMOVED],
  ["goldens/goldens.json", "stages.pcm.dtype", "int8"],
  ["goldens/goldens.json", "stages.pcm.shape", [61]],
  ["goldens/goldens.json", "stages.mfcc.shape", [4, -4]],
  ["goldens/goldens.json", "stages.parameters.shape", [13, 3]],
  ["goldens/goldens.json", "encodings", REMOVED],
  ["goldens/goldens.json", "encodings.toy", REMOVED],
  ["goldens/goldens.json", "encodings.toy.file", "none.bin"],
  ["goldens/goldens.json", "encodings.toy.shape", [6, 3]],
  ["goldens/goldens.json", "genres", REMOVED],
  ["goldens/goldens.json", "genres.toy", REMOVED],
  ["goldens/goldens.json", "genres.other", {}],
  ["goldens/goldens.json", "genres.toy.file", "goldens/none.bin"],
  ["goldens/goldens.json", "genres.toy.shape", [7, 2]],
  [
    "goldens/goldens.json",
    "genres.toy.shape",
    { file: GENRES, dtype: "int16", shape: [14, 3] },
    "genres.toy",
  ],
  ["goldens/goldens.json", "tolerance.encoding", 0],
  ["goldens/goldens.json", "tolerance.genres", REMOVED],
  ["goldens/goldens.json", "tolerance.genres", -1],
];

/** As `damages`, of a tagger: encoder 0. */
const tagDamages: [file: string, field: string, value: unknown, path?: string][] = [
  ["manifest.json", "encoders[0].tags", REMOVED],
  ["manifest.json", "encoders[0].tags", REMOVED, "encoders[0].outputs.tags"],
  ["manifest.json", "encoders[0].tags", []],
  ["manifest.json", "encoders[0].tags.names", ["slow"]],
  ["manifest.json", "encoders[0].tags.names", Array.from({ length: 257 }, String)],
  ["manifest.json", "encoders[0].tags.names", ["slow", "guitar", "beat", "slow"]],
  ["manifest.json", "encoders[0].tags.names[1]", ""],
  ["manifest.json", "encoders[0].tags.descriptors", REMOVED],
  ["manifest.json", "encoders[0].tags.descriptors", Array(257).fill(TOY_DESCRIPTORS[0])],
  ["manifest.json", "encoders[0].tags.descriptors", Array(2).fill(TOY_DESCRIPTORS[0])],
  ["manifest.json", "encoders[0].tags.descriptors[0].kind", "colour"],
  ["manifest.json", "encoders[0].tags.descriptors[0].name", ""],
  ["manifest.json", "encoders[0].tags.descriptors[1].tags", []],
  ["manifest.json", "encoders[0].tags.descriptors[1].tags", [0, 0]],
  ["manifest.json", "encoders[0].tags.descriptors[1].tags", [0, 1, 2, 3, 0]],
  ["manifest.json", "encoders[0].tags.descriptors[1].tags[1]", 4],
  ["manifest.json", "encoders[0].tags.descriptors[1].tags[1]", 0.5],
  ["manifest.json", "encoders[0].tags.descriptors[2].typical", null],
  ["manifest.json", "encoders[0].tags.descriptors[2].typical", 1e39],
  ["manifest.json", "encoders[0].tags.descriptors[2].spread", 0],
  ["manifest.json", "encoders[0].unsure_below", 1.1],
  ["manifest.json", "encoders[0].unsure_below", "0.4"],
  ["manifest.json", "encoders[1].unsure_below", 0.4],
  ["goldens/goldens.json", "tags", REMOVED],
  ["goldens/goldens.json", "tags.tagger", REMOVED],
  ["goldens/goldens.json", "tags.toy", {}],
  ["goldens/goldens.json", "tags.tagger.shape", [1, 3]],
];

/** Set what `path` (`a.b[0].c`) names. */
function damage(json: Json, path: string, value: unknown): void {
  const keys = path.replaceAll("[", ".").replaceAll("]", "").split(".");
  const last = keys.pop() ?? "";
  const parent = keys.reduce((at, key) => at[key] as Json, json);
  if (value === REMOVED) Reflect.deleteProperty(parent, last);
  else parent[last] = value;
}

describe("a wrong field is named", () => {
  it.each(damages)("%s: %s", async (file, field, value, path = field) => {
    const error = await failure(
      load({ classifier: true, edit: { [file]: (json) => damage(json, path, value) } }),
    );
    expect(error.field).toBe(`${file}: ${field}`);
    expect(error.message).toContain(error.problem);
    expect(error.remedy).toMatch(/[.]$/);
  });

  it.each(tagDamages)("of a tagger: %s: %s", async (file, field, value, path = field) => {
    const edit = { [file]: (json: Json) => damage(json, path, value) };
    expect((await failure(load({ tagger: true, edit }))).field).toBe(`${file}: ${field}`);
  });

  it.each([
    ["files.../secret", "../secret", { bytes: 1, sha256: "0".repeat(64) }],
    ["files.mappings.json.bytes", "mappings.json", { bytes: -1, sha256: "0".repeat(64) }],
    ["files.mappings.json.sha256", "mappings.json", { bytes: 1, sha256: "12" }],
  ])("manifest.json: %s", async (field, path, file) => {
    const edit = { "manifest.json": (json: Json) => Object.assign(json.files as Json, { [path]: file }) };
    expect((await failure(load({ edit }))).field).toBe(`manifest.json: ${field}`);
  });

  it.each([
    ["../x", { bytes: 1, sha256: "0".repeat(64) }, "files.../x"],
    ["shard.bin", { bytes: 0.5, sha256: "0".repeat(64) }, "files.shard.bin.bytes"],
    ["shard.bin", { bytes: 1, sha256: "0".repeat(64) }, "digest"],
    ["more.bin", { bytes: 1, sha256: "0".repeat(64) }, "digest"],
  ])("manifest.json: the front end's %s", async (path, file, field) => {
    const edit = (json: Json) => Object.assign((json.frontend as Json).files as Json, { [path]: file });
    const error = await failure(load({ edit: { "manifest.json": edit } }));
    expect(error.field).toBe(`manifest.json: frontend.${field}`);
  });

  it("goldens/goldens.json: genres of an encoder that has none", async () => {
    const edit = { "goldens/goldens.json": (json: Json) => damage(json, "genres.toy", {}) };
    const error = await failure(load({ edit }));
    expect(error.field).toBe("goldens/goldens.json: genres.toy");
  });

  it("an old schema, with what to do", async () => {
    const old = (json: Json) => (json.schema_version = 2);
    const error = await failure(load({ edit: { "manifest.json": old } }));
    expect(error.message).toContain("is 2, this reader knows 3. Update the playground, or export the bundle");
  });

  it("mappings.json: two parts of one encoder", async () => {
    const twice = (json: Json) => {
      const [raw] = json.projections as Json[];
      const part = { encoder: "toy", steps: [{ kind: "select", indices: [0] }] };
      raw!.parts = [part, part];
    };
    const error = await failure(load({ edit: { "mappings.json": twice } }));
    expect(error.field).toBe("mappings.json: projections[0].parts");
    expect(error.problem).toContain("two parts of one encoder");
  });

  it.each([
    ["0.5", [0, 0.5]],
    ["-1", [-1, 0]],
    ["2", [0, 2]],
  ])("mappings.json: %s as an index", async (index, indices) => {
    const edit = (json: Json) => damage(json, "projections[0].parts[0].steps", [{ kind: "select", indices }]);
    const error = await failure(load({ edit: { "mappings.json": edit } }));
    expect(error.field).toMatch(/^mappings.json: projections\[0\].parts\[0\].steps\[0\].indices\[[01]\]$/);
    expect(error.problem).toContain(`is ${index}`);
  });

  it("manifest.json: two encoders of one name", async () => {
    const twice = (json: Json) => (json.encoders = [json.encoders, json.encoders].flat());
    expect((await failure(load({ edit: { "manifest.json": twice } }))).field).toBe("manifest.json: encoders");
  });
});

describe("a damaged download is refused", () => {
  it("missing", async () => {
    const files = await toyFiles();
    files.delete("mappings.json");
    vi.stubGlobal("fetch", toyFetch(files));
    expect((await failure(loadBundle(TOY_URL))).message).toContain("HTTP 404");
  });

  it("one bit", async () => {
    const files = await toyFiles();
    vi.stubGlobal("fetch", toyFetch(files));
    const bundle = await loadBundle(TOY_URL);
    files.get("encoders/toy/shard.bin")![0]! ^= 1;
    const error = await failure(readBundleFile(bundle, "encoders/toy/shard.bin"));
    expect(error.field).toBe("encoders/toy/shard.bin");
    expect(error.message).toContain("SHA-256");
  });

  it.each([-1, 1])("%i bytes of difference", async (difference) => {
    const files = await toyFiles();
    vi.stubGlobal("fetch", toyFetch(files));
    const bundle = await loadBundle(TOY_URL);
    const bytes = files.get("encoders/toy/shard.bin")!;
    const changed = new Uint8Array(bytes.length + difference);
    changed.set(bytes.subarray(0, changed.length));
    files.set("encoders/toy/shard.bin", changed);
    expect((await failure(readBundleFile(bundle, "encoders/toy/shard.bin"))).message).toMatch(/bytes/);
  });

  it("of a front end that is shared, by its place", async () => {
    const files = await toyFiles({ sharedFrontend: true });
    vi.stubGlobal("fetch", toyFetch(files));
    const { frontend } = await loadBundle(TOY_URL);
    const path = `../../frontends/${frontend.digest}/shard.bin`;
    files.get(path)![0]! ^= 1;
    expect((await failure(readBundleFile(frontend, "shard.bin"))).field).toBe(path);
    files.delete(path);
    expect((await failure(readBundleFile(frontend, "shard.bin"))).message).toMatch(/^\.\.\/.*HTTP 404/);
  });

  it("but its length alone is checked where the browser has no crypto.subtle", async () => {
    const digest = "0".repeat(64);
    const edit = (json: Json) => Object.assign(json.frontend as Json, { digest });
    const files = await toyFiles({ edit: { "manifest.json": edit } });
    vi.stubGlobal("fetch", toyFetch(files));
    vi.stubGlobal("crypto", {});
    const bundle = await loadBundle(TOY_URL);
    expect(bundle.frontend.digest).toBe(digest);
    files.get("frontend/shard.bin")![0]! ^= 1;
    expect((await readBundleFile(bundle.frontend, "shard.bin")).byteLength).toBeGreaterThan(0);
  });

  it("no JSON", async () => {
    vi.stubGlobal("fetch", toyFetch(new Map([["manifest.json", new TextEncoder().encode("<html>")]])));
    expect((await failure(loadBundle(TOY_URL))).message).toContain("is not JSON");
  });

  it("no server", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("refused")));
    expect((await failure(loadBundle(TOY_URL))).remedy).toContain("server");
  });

  it("a file that is not listed", async () => {
    const bundle = await load();
    await failure(readBundleFile(bundle, "toString"));
  });

  it("aborting is no fault of the bundle", async () => {
    const abort = new AbortController();
    abort.abort();
    vi.stubGlobal("fetch", () => Promise.reject(new DOMException("", "AbortError")));
    await expect(loadBundle(TOY_URL, abort.signal)).rejects.toMatchObject({ name: "AbortError" });
  });

  it("no address", async () => {
    expect((await failure(loadBundle("nowhere"))).message).toContain("is not an address");
  });
});

describe("the registry", () => {
  const read = (json: unknown) => {
    vi.stubGlobal("fetch", () => Promise.resolve(Response.json(json)));
    return loadRegistry("http://toy.test/registry");
  };
  const entry = { name: "toy", title: "Toy", versions: [1, 2], latest: 2 };

  it("lists bundles with addresses", async () => {
    const registry = await read({ schema_version: 1, bundles: [entry] });
    expect(registry.bundles).toEqual([{ ...entry, latestUrl: "http://toy.test/registry/toy/2/" }]);
    expect((await read({ schema_version: 1, bundles: [] })).bundles).toEqual([]);
  });

  it.each([
    ["schema_version", { schema_version: 3, bundles: [] }],
    ["bundles", { schema_version: 1, bundles: {} }],
    ["bundles[0].name", { schema_version: 1, bundles: [{ ...entry, name: "../x" }] }],
    ["bundles[0].versions[1]", { schema_version: 1, bundles: [{ ...entry, versions: [1, "2"] }] }],
    ["bundles[0].latest", { schema_version: 1, bundles: [{ ...entry, latest: 3 }] }],
  ])("names what is wrong: %s", async (field, json) => {
    expect((await failure(read(json))).field).toBe(`index.json: ${field}`);
  });
});
