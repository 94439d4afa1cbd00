import { PROBABILITIES, readGolden, type Bundle, type GoldenStage, type ProbabilityName } from "../bundle";
import { encodeRequest, type Analyzer } from "./analyzer";
import { countFrames, frameRun, sliceWithZeros, timeAxis } from "./segments";

/** Largest absolute differences from what Python computed. */
export interface SelfTest {
  readonly mfcc: number;
  /** By the encoder's name. */
  readonly encodings: Readonly<Record<string, number>>;
  /** Of probabilities, by the name of each encoder that tells them. */
  readonly genres: Readonly<Record<string, number>>;
  readonly tags: Readonly<Record<string, number>>;
}

/** The goldens' numbers that the self-test needs. */
export interface GoldenValues {
  readonly pcm: Float32Array;
  readonly mfcc: Float32Array;
  /** By the encoder's name. */
  readonly encodings: ReadonlyMap<string, Float32Array>;
  /** By the name of each encoder that tells them. */
  readonly genres: ReadonlyMap<string, Float32Array>;
  readonly tags: ReadonlyMap<string, Float32Array>;
}

/** @throws BundleError */
export async function loadGoldens(bundle: Bundle, signal?: AbortSignal): Promise<GoldenValues> {
  const { stages } = bundle.goldens;
  const readAll = async (named: Readonly<Record<string, GoldenStage>>) =>
    new Map(
      await Promise.all(
        Object.entries(named).map(
          async ([name, stage]) => [name, await readGolden(bundle, stage, signal)] as const,
        ),
      ),
    );
  const [pcm, mfcc, encodings, genres, tags] = await Promise.all([
    readGolden(bundle, stages.pcm, signal),
    readGolden(bundle, stages.mfcc, signal),
    readAll(bundle.goldens.encodings),
    readAll(bundle.goldens.genres),
    readAll(bundle.goldens.tags),
  ]);
  return { pcm, mfcc, encodings, genres, tags };
}

/** Run the goldens' PCM through all graphs and compare every stage with Python's. */
export async function selfTest(bundle: Bundle, analyzer: Analyzer, goldens: GoldenValues): Promise<SelfTest> {
  const { audio, frontend, encoders } = bundle;
  const nSamples = goldens.pcm.length;
  const whole = sliceWithZeros(goldens.pcm, frameRun(audio, frontend, 0, countFrames(audio, nSamples)));
  const floorDb = floorOf(audio, await analyzer.peakDb(whole));
  const { mfcc } = await analyzer.mfcc(whole, floorDb);
  const runs = encoders.map((encoder) => {
    const { count } = timeAxis(audio, encoder, nSamples);
    return { encoder: encoder.name, first: 0, count };
  });
  const { blocks } = await analyzer.encode(encodeRequest(bundle, goldens.pcm, runs, floorDb));
  const compare = (what: "encodings" | ProbabilityName) =>
    Object.fromEntries(
      Array.from(goldens[what], ([name, expected]) => {
        const given = blocks.find(({ encoder }) => encoder === name)?.[what];
        return [name, given ? largestDifference(given, expected) : Infinity];
      }),
    );
  return {
    mfcc: largestDifference(mfcc, goldens.mfcc),
    encodings: compare("encodings"),
    genres: compare("genres"),
    tags: compare("tags"),
  };
}

/** Whether every difference is within what the bundle allows. A NaN is not. */
export function passes(bundle: Pick<Bundle, "goldens">, result: SelfTest, goldens: GoldenValues): boolean {
  const { tolerance } = bundle.goldens;
  const allowed = allowedErrors(bundle, goldens);
  return (
    result.mfcc <= tolerance.mfcc &&
    Object.entries(allowed).every(([name, limit]) => (result.encodings[name] ?? NaN) <= limit) &&
    PROBABILITIES.every((what) =>
      Object.keys(bundle.goldens[what]).every((name) => (result[what][name] ?? NaN) <= tolerance.genres),
    )
  );
}

/** Largest absolute difference that encodings may show, by the encoder's name. */
export function allowedErrors(
  { goldens: { tolerance } }: Pick<Bundle, "goldens">,
  { encodings }: Pick<GoldenValues, "encodings">,
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Array.from(encodings, ([name, values]) => {
      const largest = values.reduce((soFar, value) => Math.max(soFar, Math.abs(value)), 0);
      return [name, tolerance.encoding * largest];
    }),
  );
}

/** The floor for a track whose loudest log-mel value is `peakDb`. */
export function floorOf(audio: Pick<Bundle["audio"], "floorDb" | "topDb">, peakDb: number): number {
  return audio.topDb === null ? audio.floorDb : Math.max(audio.floorDb, peakDb - audio.topDb);
}

/** NaN when any number is, infinite when the lengths differ. */
export function largestDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Infinity;
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs((a[i] ?? NaN) - (b[i] ?? NaN)));
  return largest;
}
