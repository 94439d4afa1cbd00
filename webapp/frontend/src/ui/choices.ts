import { batch, computed, signal, type ReadonlySignal } from "@preact/signals";
import type { Mapping, TimeSettings } from "../bundle";
import type { VisualDefinition } from "../visuals/visual";
import type { Analyst } from "./engine";
import { mappingFor, stepsOf, timeFor, type MappingChoice, type TimeChoice } from "./listening";
import { DEFAULT_SEED, type Look } from "./look";
import { defaultOrder } from "./order";
import type { Settings } from "./settings";
import { moveSource, wiresFor, type Wire } from "./wiring";

/** A choice among the models belongs to a look, but the models answer for it. */
type OwnLook = Omit<Look, "model">;

export interface ChoicesOptions {
  readonly settings: Pick<Settings, "visualId">;
  readonly visuals: readonly VisualDefinition[];
  /** The model that listens. */
  readonly analyst: ReadonlySignal<Analyst | null>;
}

/** What a person has chosen that shapes the picture, and what is in force: where nothing is chosen, what suits. */
export class Choices {
  readonly visuals: readonly VisualDefinition[];
  readonly #visualId: Settings["visualId"];
  readonly #analyst: ReadonlySignal<Analyst | null>;
  readonly #seed = signal(DEFAULT_SEED);
  readonly #mapping = signal<MappingChoice | null>(null);
  readonly #time = signal<TimeChoice>({});
  /** By the visual's id: what is turned or held in one picture means nothing in another. */
  readonly #wires = signal<ReadonlyMap<string, readonly Wire[]>>(new Map());

  constructor({ settings, visuals, analyst }: ChoicesOptions) {
    this.visuals = visuals;
    this.#visualId = settings.visualId;
    this.#analyst = analyst;
  }

  // ------------------------------------------------------------------------------------------------------ in force

  readonly visual: ReadonlySignal<VisualDefinition> = computed(() => {
    const definition = this.visuals.find(({ id }) => id === this.#visualId.value) ?? this.visuals[0];
    if (!definition) throw new Error("There is no visual.");
    return definition;
  });

  get seed(): ReadonlySignal<number> {
    return this.#seed;
  }

  /** Null without a model; so is what follows. */
  readonly mapping: ReadonlySignal<MappingChoice | null> = computed(() => {
    const analyst = this.#analyst.value;
    if (!analyst) return null;
    const { projection, scaling } = this.mappingFor(analyst);
    return { projection: projection.name, mode: scaling.mode, method: scaling.method };
  });

  /** Smoothing, interpolation and look-ahead. */
  readonly time: ReadonlySignal<TimeSettings | null> = computed(() => {
    const analyst = this.#analyst.value;
    return analyst && this.timeFor(analyst);
  });

  /** What drives each of the visual's parameters. */
  readonly wires: ReadonlySignal<readonly Wire[]> = computed(() => this.wiresFor(this.#analyst.value));

  /** The step of the encoder that each of the model's numbers comes from, in seconds. */
  readonly stepsSeconds: ReadonlySignal<readonly number[]> = computed(() => {
    const analyst = this.#analyst.value;
    return analyst ? stepsOf(analyst, this.mappingFor(analyst)) : [];
  });

  mappingFor(analyst: Analyst): Mapping {
    return mappingFor(analyst, this.#mapping.value);
  }

  timeFor(analyst: Analyst): TimeSettings {
    return timeFor(analyst, this.#time.value);
  }

  wiresFor(analyst: Analyst | null): readonly Wire[] {
    const { id, parameters } = this.visual.value;
    const own = this.#wires.value.get(id);
    if (own) return own;
    if (!analyst) return wiresFor(parameters.map((_, i) => i));
    const moves = parameters.map((parameter) => parameter.moves);
    return wiresFor(defaultOrder(moves, stepsOf(analyst, this.mappingFor(analyst))));
  }

  /** Everything as it is chosen, to be kept or handed on. */
  readonly look: ReadonlySignal<OwnLook> = computed(() => ({
    visual: this.visual.value.id,
    seed: this.#seed.value,
    mapping: this.#mapping.value,
    time: this.#time.value,
    wires: this.#wires.value.get(this.visual.value.id) ?? null,
  }));

  // ------------------------------------------------------------------------------------------------------ to choose

  chooseVisual(id: string): void {
    this.#visualId.value = id;
  }

  /** The visual so many places further on; after the last one comes the first. */
  stepVisual(by: number): void {
    const n = this.visuals.length;
    const place = this.visuals.indexOf(this.visual.peek());
    const next = this.visuals[(((place + by) % n) + n) % n];
    if (next) this.chooseVisual(next.id);
  }

  chooseSeed(seed: number): void {
    this.#seed.value = seed;
  }

  chooseMapping(choice: MappingChoice): void {
    this.#mapping.value = choice;
  }

  /** What is not named stays as it is. */
  chooseTime(change: TimeChoice): void {
    this.#time.value = { ...this.#time.value, ...change };
  }

  /** Let the number that drives the visual's parameter `from` drive parameter `to`; those between move up. */
  moveSource(from: number, to: number): void {
    this.#connect(moveSource(this.wires.value, from, to));
  }

  /** Turn one parameter upside down, hold it or let it go. */
  changeWire(place: number, change: Partial<Pick<Wire, "inverted" | "held">>): void {
    this.#connect(this.wires.value.map((wire, i) => (i === place ? { ...wire, ...change } : wire)));
  }

  apply({ visual, seed, mapping, time, wires }: OwnLook): void {
    batch(() => {
      this.#visualId.value = visual;
      this.#seed.value = seed;
      this.#mapping.value = mapping;
      this.#time.value = time;
      this.#connect(wires);
    });
  }

  /** What suits picture and model; the picture itself stays. */
  reset(): void {
    this.apply({ ...this.look.peek(), mapping: null, time: {}, wires: null });
  }

  resetWires(): void {
    this.#connect(null);
  }

  #connect(wires: readonly Wire[] | null): void {
    const all = new Map(this.#wires.peek());
    const { id } = this.visual.peek();
    if (wires) all.set(id, wires);
    else all.delete(id);
    this.#wires.value = all;
  }
}
