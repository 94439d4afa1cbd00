import { samplesFor, type Pcm } from "../analysis/pcm";
import {
  findEncoder,
  findMapping,
  type Mapping,
  type Projection,
  type ProjectionName,
  type ScalingMethod,
  type ScalingMode,
  type TimeSettings,
} from "../bundle";
import { speakerOf, TrackImpression } from "../mapping/impression";
import { findSections, type Section } from "../mapping/sections";
import { ParameterTrack } from "../mapping/track";
import type { Analyst } from "./engine";
import type { Wire } from "./wiring";

export interface ListeningEvents {
  /** More of the track is known. */
  readonly onGrow: () => void;
  readonly onProgress: (fraction: number) => void;
  /** All of it is known. */
  readonly onDone: (listening: Listening) => void;
  readonly onFail: (error: unknown) => void;
}

/** What is chosen, for this model. */
export interface ListeningChoices {
  mappingFor(analyst: Analyst): Mapping;
  timeFor(analyst: Analyst): TimeSettings;
  wiresFor(analyst: Analyst): readonly Wire[];
}

/** One model's way through one track: the running analysis and what it has given so far. */
export class Listening {
  readonly analyst: Analyst;
  readonly parameters: ParameterTrack;
  /** What the model takes the track for, moment by moment; null where it tells neither genres nor tags. */
  readonly impression: TrackImpression | null;
  readonly #abort = new AbortController();
  #wires: readonly Wire[];
  #focusSeconds = 0;

  /**
   * @throws TrackTooShortError when nothing can be made of the track
   * @throws RangeError when the sound is at another rate than the model's
   */
  constructor(analyst: Analyst, pcm: Pcm, choices: ListeningChoices, events: ListeningEvents) {
    this.analyst = analyst;
    const { bundle } = analyst;
    const { length } = samplesFor(bundle, pcm);
    this.parameters = ParameterTrack.of(bundle, length, {
      mapping: choices.mappingFor(analyst),
      time: choices.timeFor(analyst),
    });
    this.#wires = this.#connect(choices);
    const speaker = speakerOf(bundle.encoders);
    this.impression =
      speaker === undefined
        ? null
        : new TrackImpression(speaker, this.parameters.encodingsOf(speaker.name).axis);
    const { signal } = this.#abort;
    analyst
      .analyze(pcm, {
        signal,
        onBlock: (block) => {
          if (signal.aborted) return;
          this.parameters.add(block);
          if (block.encoder === speaker?.name) this.impression?.add(block);
          events.onGrow();
        },
        onProgress: (fraction) => {
          if (!signal.aborted) events.onProgress(fraction);
        },
      })
      .then(() => {
        if (!signal.aborted) events.onDone(this);
      })
      .catch((error: unknown) => {
        if (!signal.aborted) events.onFail(error);
      });
  }

  /** What the numbers are led through after `parameters`. */
  get wires(): readonly Wire[] {
    return this.#wires;
  }

  /** Let changed choices count. */
  follow(choices: ListeningChoices): void {
    const mapping = choices.mappingFor(this.analyst);
    const time = choices.timeFor(this.analyst);
    // Both make the track compute anew, so they are touched only when they change.
    if (!sameFields(this.parameters.mapping, mapping)) this.parameters.mapping = mapping;
    if (!sameFields(this.parameters.time, time)) this.parameters.time = time;
    this.#wires = this.#connect(choices);
  }

  /** How the track is built, by the encoder that sees the widest. */
  sections(): readonly Section[] {
    const [slowest] = this.analyst.bundle.encoders.toSorted((a, b) => b.stepSeconds - a.stepSeconds);
    const { encodings, size, axis } = this.parameters.encodingsOf(slowest?.name ?? "");
    const { durationSeconds } = this.parameters;
    return findSections({ encodings, size, axis, durationSeconds }).sections;
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

  #connect(choices: ListeningChoices): readonly Wire[] {
    const wires = choices.wiresFor(this.analyst);
    this.parameters.order = wires.map(({ source }) => source);
    return wires;
  }
}

function sameFields<T extends object>(a: T, b: T): boolean {
  return (Object.keys(a) as (keyof T)[]).every((name) => a[name] === b[name]);
}

export interface MappingChoice {
  readonly projection: ProjectionName;
  readonly mode: ScalingMode;
  readonly method: ScalingMethod;
}

export type Words<Name extends string> = Readonly<Record<Name, readonly [title: string, help: string]>>;

/** What people read for the names that bundles use. */
export const PROJECTION_WORDS: Words<ProjectionName> = {
  raw: ["As they come", "The model’s numbers as they are, in its own order."],
  random: ["Shuffled", "The model’s numbers as they are, dealt to the picture in another order."],
  pca: [
    "By importance (PCA)",
    "Mixed anew, so that the first number carries most of what changes in music, the last one least.",
  ],
  kmeans: ["Kinds of sound (k-means)", "Each number says how near the music is to one typical sound."],
  "kmeans-pca": [
    "Kinds by importance (k-means, PCA)",
    "Nearness to typical sounds, mixed anew so that the first number changes most, the last one least.",
  ],
};

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

/** The choice that is wanted, with a mode and a method that its projection offers. */
export function offeredMapping(projections: readonly Projection[], wanted: MappingChoice): MappingChoice {
  const scalings = projections.find(({ name }) => name === wanted.projection)?.scalings ?? [];
  const inMode = scalings.filter(({ mode }) => mode === wanted.mode);
  const offered = inMode.length > 0 ? inMode : scalings;
  const { mode, method } =
    offered.find((scaling) => scaling.method === wanted.method) ?? offered[0] ?? wanted;
  return { projection: wanted.projection, mode, method };
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
