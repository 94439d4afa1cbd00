import { TrackTooShortError, timeAxis } from "../analysis/segments";
import { defaultEncoder, findMapping, type Mapping } from "../bundle";
import { ParameterTrack } from "../mapping/track";
import type { Analyst } from "./engine";

export interface ListeningEvents {
  /** More of the track is known. */
  readonly onGrow: () => void;
  readonly onProgress: (fraction: number) => void;
  readonly onFail: (error: unknown) => void;
}

/** One model's way through one track: the running analysis and the parameters that it has given so far. */
export class Listening {
  readonly analyst: Analyst;
  readonly parameters: ParameterTrack;
  readonly #abort = new AbortController();
  #focusSeconds = 0;

  /** @throws TrackTooShortError when the model's window does not fit into the track */
  constructor(
    analyst: Analyst,
    pcm: Float32Array,
    choice: { readonly mapping: MappingChoice | null; readonly retention: number | null },
    events: ListeningEvents,
  ) {
    this.analyst = analyst;
    const { bundle } = analyst;
    const { smoothing } = bundle.mappings;
    const encoder = defaultEncoder(bundle);
    const durationSeconds = pcm.length / bundle.audio.sampleRateHz;
    const axis = timeAxis(bundle.audio, encoder, pcm.length, encoder.stepSeconds);
    if (axis.count === 0) throw new TrackTooShortError(durationSeconds, encoder.windowSeconds);
    this.parameters = new ParameterTrack({
      axis,
      durationSeconds,
      mapping: mappingFor(analyst, choice.mapping),
      smoothing: { ...smoothing, retention: choice.retention ?? smoothing.retention },
    });
    const { signal } = this.#abort;
    analyst
      .analyze(pcm, {
        hopSeconds: encoder.stepSeconds,
        signal,
        onBlock: (block) => {
          if (signal.aborted) return;
          this.parameters.add(block);
          events.onGrow();
        },
        onProgress: (fraction) => {
          if (!signal.aborted) events.onProgress(fraction);
        },
      })
      .catch((error: unknown) => {
        if (!signal.aborted) events.onFail(error);
      });
  }

  /** Analyse from here first, unless it is known already or on its way. */
  focus(seconds: number): void {
    if (this.parameters.isReady(seconds) || seconds === this.#focusSeconds) return;
    this.#focusSeconds = seconds;
    this.analyst.focus(seconds);
  }

  stop(): void {
    this.#abort.abort();
  }
}

export interface MappingChoice {
  readonly projection: string;
  readonly mode: string;
  readonly method: string;
}

/** The chosen mapping where the model offers it, otherwise the model's own default. */
export function mappingFor(analyst: Pick<Analyst, "bundle">, choice: MappingChoice | null): Mapping {
  const { mappings } = analyst.bundle;
  const offered = mappings.projections
    .find((projection) => projection.name === choice?.projection)
    ?.scalings.some((scaling) => scaling.mode === choice?.mode && scaling.method === choice.method);
  return findMapping(analyst.bundle, choice && offered ? choice : {});
}
