import { readGolden, type Bundle } from "../bundle";
import { encodeRequest, type Analyzer } from "./analyzer";
import { countFrames, frameRun, sliceWithZeros, timeAxis } from "./segments";

/** Largest absolute differences from what Python computed. */
export interface SelfTest {
  readonly mfcc: number;
  /** By the encoder's name. */
  readonly encodings: Readonly<Record<string, number>>;
}

/** The goldens' numbers that the self-test needs. */
export interface GoldenValues {
  readonly pcm: Float32Array;
  readonly mfcc: Float32Array;
  /** By the encoder's name. */
  readonly encodings: ReadonlyMap<string, Float32Array>;
}

/** @throws BundleError */
export async function loadGoldens(bundle: Bundle, signal?: AbortSignal): Promise<GoldenValues> {
  const { stages, encodings } = bundle.goldens;
  const [pcm, mfcc, ...rows] = await Promise.all([
    readGolden(bundle, stages.pcm, signal),
    readGolden(bundle, stages.mfcc, signal),
    ...Object.entries(encodings).map(
      async ([name, stage]) => [name, await readGolden(bundle, stage, signal)] as const,
    ),
  ]);
  return { pcm, mfcc, encodings: new Map(rows) };
}

/** Run the goldens' PCM through all graphs and compare every stage with Python's. */
export function selfTest(bundle: Bundle, analyzer: Analyzer, goldens: GoldenValues): SelfTest {
  const { audio, frontend, encoders } = bundle;
  const nSamples = goldens.pcm.length;
  const whole = sliceWithZeros(goldens.pcm, frameRun(audio, frontend, 0, countFrames(audio, nSamples)));
  const floorDb = floorOf(audio, analyzer.peakDb(whole));
  const { mfcc } = analyzer.mfcc(whole, floorDb);
  const runs = encoders.map((encoder) => {
    const { count } = timeAxis(audio, encoder, nSamples);
    return { encoder: encoder.name, first: 0, count };
  });
  const { blocks } = analyzer.encode(encodeRequest(bundle, goldens.pcm, runs, floorDb));
  return {
    mfcc: largestDifference(mfcc, goldens.mfcc),
    encodings: Object.fromEntries(
      blocks.map(({ encoder, encodings }) => [
        encoder,
        largestDifference(encodings, goldens.encodings.get(encoder) ?? new Float32Array()),
      ]),
    ),
  };
}

/** Whether the differences of every encoder are within what the bundle allows. A NaN is not. */
export function passes(
  { encoders, goldens: { tolerance } }: Pick<Bundle, "encoders" | "goldens">,
  { mfcc, encodings }: SelfTest,
): boolean {
  return (
    mfcc <= tolerance.mfcc && encoders.every(({ name }) => (encodings[name] ?? NaN) <= tolerance.encoding)
  );
}

/** The floor for a track whose loudest log-mel value is `peakDb`. */
export function floorOf(audio: Pick<Bundle["audio"], "floorDb" | "topDb">, peakDb: number): number {
  return audio.topDb === null ? audio.floorDb : Math.max(audio.floorDb, peakDb - audio.topDb);
}

/** NaN when any number is, infinite when the lengths differ. */
function largestDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Infinity;
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs((a[i] ?? NaN) - (b[i] ?? NaN)));
  return largest;
}
