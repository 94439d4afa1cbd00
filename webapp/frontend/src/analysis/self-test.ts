import { defaultEncoder, readGolden, type Bundle } from "../bundle";
import type { Analyzer } from "./analyzer";
import { countFrames, countSegments, frameRun, hopFramesOf, sliceWithZeros } from "./segments";

/** Largest absolute differences from what Python computed. */
export interface SelfTest {
  readonly mfcc: number;
  readonly encoding: number;
}

/** The goldens' numbers that the self-test needs. */
export interface GoldenValues {
  readonly pcm: Float32Array;
  readonly mfcc: Float32Array;
  readonly encoding: Float32Array;
}

/** @throws BundleError */
export async function loadGoldens(bundle: Bundle, signal?: AbortSignal): Promise<GoldenValues> {
  const [pcm, mfcc, encoding] = await Promise.all([
    readGolden(bundle, "pcm", signal),
    readGolden(bundle, "mfcc", signal),
    readGolden(bundle, "encoding", signal),
  ]);
  return { pcm, mfcc, encoding };
}

/** Run the goldens' PCM through both graphs and compare every stage with Python's. */
export function selfTest(bundle: Bundle, analyzer: Analyzer, goldens: GoldenValues): SelfTest {
  const { audio, frontend } = bundle;
  const encoder = defaultEncoder(bundle);
  const nFrames = countFrames(audio, goldens.pcm.length);
  const whole = sliceWithZeros(goldens.pcm, frameRun(audio, frontend, 0, nFrames));
  const floorDb = floorOf(audio, analyzer.peakDb(whole));
  const { mfcc } = analyzer.mfcc(whole, floorDb);

  const hopFrames = hopFramesOf(audio, bundle.goldens.hopSeconds);
  const count = countSegments(nFrames, encoder.windowFrames, hopFrames);
  const frames = (count - 1) * hopFrames + encoder.windowFrames;
  const { encodings } = analyzer.encode({
    pcm: sliceWithZeros(goldens.pcm, frameRun(audio, frontend, 0, frames)),
    count,
    hopFrames,
    floorDb,
    encoder: encoder.name,
  });
  return {
    mfcc: largestDifference(mfcc, goldens.mfcc),
    encoding: largestDifference(encodings, goldens.encoding),
  };
}

/** Whether the differences are within what the bundle allows. A NaN is not. */
export function passes({ goldens }: Pick<Bundle, "goldens">, result: SelfTest): boolean {
  return result.mfcc <= goldens.tolerance.mfcc && result.encoding <= goldens.tolerance.encoding;
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
