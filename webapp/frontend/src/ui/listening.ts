import { TrackTooShortError, timeAxis } from "../analysis/segments";
import {
  findEncoder,
  findMapping,
  longestWindowSeconds,
  type Mapping,
  type ProjectionName,
  type ScalingMethod,
  type ScalingMode,
  type TimeSettings,
} from "../bundle";
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

  /** @throws TrackTooShortError when the model's longest window does not fit into the track */
  constructor(
    analyst: Analyst,
    pcm: Float32Array,
    choice: { readonly mapping: MappingChoice | null; readonly time: TimeChoice },
    events: ListeningEvents,
  ) {
    this.analyst = analyst;
    const { bundle } = analyst;
    const { audio, encoders } = bundle;
    if (encoders.some((encoder) => timeAxis(audio, encoder, pcm.length).count === 0)) {
      throw new TrackTooShortError(pcm.length / audio.sampleRateHz, longestWindowSeconds(bundle));
    }
    this.parameters = ParameterTrack.of(bundle, pcm.length, {
      mapping: mappingFor(analyst, choice.mapping),
      time: timeFor(analyst, choice.time),
    });
    const { signal } = this.#abort;
    analyst
      .analyze(pcm, {
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

  /** Analyse first what is shown when this is heard, unless it is known already or on its way. */
  focus(seconds: number): void {
    const shown = this.parameters.shownSeconds(seconds);
    if (this.parameters.isReady(seconds) || shown === this.#focusSeconds) return;
    this.#focusSeconds = shown;
    this.analyst.focus(shown);
  }

  stop(): void {
    this.#abort.abort();
  }
}

export interface MappingChoice {
  readonly projection: ProjectionName;
  readonly mode: ScalingMode;
  readonly method: ScalingMethod;
}

/** Numbers that are sorted by how much they vary all vary alike once each is scaled by itself. */
export function hidesImportance({ projection, mode }: MappingChoice): boolean {
  return (projection === "pca" || projection === "kmeans-pca") && mode === "features";
}

/** The chosen mapping where the model offers it, otherwise the model's own default. */
export function mappingFor(analyst: Pick<Analyst, "bundle">, choice: MappingChoice | null): Mapping {
  const { mappings } = analyst.bundle;
  const offered = mappings.projections
    .find((projection) => projection.name === choice?.projection)
    ?.scalings.some((scaling) => scaling.mode === choice?.mode && scaling.method === choice.method);
  return findMapping(analyst.bundle, choice && offered ? choice : {});
}

/** What a person has set; the model's own settings count for the rest. */
export type TimeChoice = Partial<Omit<TimeSettings, "tickSeconds">>;

export function timeFor(analyst: Pick<Analyst, "bundle">, choice: TimeChoice): TimeSettings {
  return { ...analyst.bundle.mappings.time, ...choice };
}

/** The step of the encoder that each of a mapping's numbers comes from. */
export function stepsOf(analyst: Pick<Analyst, "bundle">, { projection }: Mapping): readonly number[] {
  return projection.parts.flatMap(({ encoder, size }) =>
    Array<number>(size).fill(findEncoder(analyst.bundle, encoder).stepSeconds),
  );
}
