import type { AnalysisClient, AnalysisOptions, EncodingBlock, Pcm } from "../analysis/client";
import { samplesFor } from "../analysis/pcm";
import type { EncodingCache } from "./encoding-cache";

/** What the page asks of a model. */
export type CacheableAnalyst = Pick<
  AnalysisClient,
  "bundle" | "backend" | "analyze" | "focus" | "encode" | "peakDb" | "dispose"
>;

/**
 * A model that remembers: a track that it has analysed before is known at once.
 *
 * The analysis begins while the track is looked up, so that one which is not there does not come later for it.
 */
export function cachedAnalyst(analyst: CacheableAnalyst, cache: EncodingCache): CacheableAnalyst {
  const { bundle, backend } = analyst;
  return {
    bundle,
    backend,
    analyze: (pcm, options) => analyze(analyst, cache, pcm, options),
    focus: (seconds) => analyst.focus(seconds),
    encode: (stretch) => analyst.encode(stretch),
    peakDb: (pcm) => analyst.peakDb(pcm),
    dispose: () => analyst.dispose(),
  };
}

async function analyze(
  analyst: CacheableAnalyst,
  cache: EncodingCache,
  pcm: Pcm,
  options: AnalysisOptions,
): Promise<void> {
  const { bundle } = analyst;
  const samples = samplesFor(bundle, pcm);
  const found = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, found.signal]) : found.signal;
  const fresh: EncodingBlock[] = [];
  const analysis = analyst.analyze(pcm, {
    ...options,
    signal,
    onBlock: (block) => {
      fresh.push(block);
      options.onBlock(block);
    },
  });
  const kept = await Promise.race([cache.read(bundle, samples), analysis.then(() => null)]);
  if (kept === null) {
    await analysis;
    void cache.write(bundle, samples, fresh);
    return;
  }
  found.abort(); // from here on it gives no block, and the race has taken its rejection
  options.signal?.throwIfAborted();
  for (const block of kept) options.onBlock(block);
  options.onProgress?.(1);
}
