import { computed, effect, signal, type ReadonlySignal } from "@preact/signals";
import { BundleError, type RegistryEntry } from "../bundle";
import type { Scope } from "../player/scope";
import { N_PARAMETERS } from "../visuals/visual";
import type { Analyst, Services } from "./engine";
import type { Notices } from "./notices";
import { explainModel, technicalReason } from "./words";

export type EngineState =
  | { readonly kind: "starting"; readonly fraction: number; readonly what: string }
  | { readonly kind: "ready"; readonly analyst: Analyst }
  /** No model can be had: music plays, the picture rests. */
  | { readonly kind: "missing"; readonly reason: string };

export interface ModelsOptions {
  readonly services: Pick<Services, "loadRegistry" | "startAnalyst">;
  readonly notices: Notices;
  /**
   * Whatever a newly started model needs before it can take over; what is returned lets it. It is not called when
   * another model was chosen meanwhile.
   */
  readonly prepare: (analyst: Analyst) => Promise<() => void>;
}

/** What the server offers, and the model that listens. */
export class Models {
  readonly #scope: Scope;
  readonly #options: ModelsOptions;
  readonly #state = signal<EngineState>({ kind: "starting", fraction: 0, what: "" });
  readonly #entries = signal<readonly RegistryEntry[]>([]);
  readonly #name = signal<string | null>(null);
  readonly #analyst = signal<Analyst | null>(null);
  #attempt = 0;

  constructor(scope: Scope, options: ModelsOptions) {
    this.#scope = scope;
    this.#options = options;
    scope.own(() => this.#analyst.peek()?.dispose());
  }

  get state(): ReadonlySignal<EngineState> {
    return this.#state;
  }

  get entries(): ReadonlySignal<readonly RegistryEntry[]> {
    return this.#entries;
  }

  /** The one that was chosen last; it may still be on its way. */
  get name(): ReadonlySignal<string | null> {
    return this.#name;
  }

  /** The one that listens. While another one starts, it goes on. */
  get analyst(): ReadonlySignal<Analyst | null> {
    return this.#analyst;
  }

  /** The name, or null where it is the server's first model, which needs no mention. */
  readonly ownName: ReadonlySignal<string | null> = computed(() => {
    const [first] = this.#entries.value;
    return this.#name.value === first?.name ? null : this.#name.value;
  });

  /** Fetch what the server offers, and start the model of that name; the server's first one unless it has it. */
  async start(name: string | null): Promise<void> {
    const { services, notices } = this.#options;
    try {
      const { bundles } = await services.loadRegistry();
      this.#entries.value = bundles;
      if (bundles.length > 0) {
        await this.choose(name);
      } else {
        const reason = "This server offers no model yet.";
        this.#state.value = { kind: "missing", reason };
        notices.show("error", `${reason} Music plays, but the picture rests.`);
      }
    } catch (error) {
      this.#state.value = { kind: "missing", reason: technicalReason(error) };
      notices.show("error", `${explainModel(error)} Music plays meanwhile, but the picture rests.`, {
        label: "Try again",
        run: () => void this.start(name),
      });
    }
  }

  /** Use another model as soon as it is ready; null: the server's first one. */
  async choose(name: string | null): Promise<void> {
    const [first] = this.#entries.peek();
    const found = this.#entries.peek().find((entry) => entry.name === name);
    if (name !== null && !found) {
      this.#options.notices.show("info", `This server has no model “${name}”; another one listens.`);
    }
    const entry = found ?? first;
    if (!entry || (entry.name === this.#name.peek() && this.#state.peek().kind !== "missing")) return;
    const attempt = ++this.#attempt;
    const before = this.#name.peek();
    this.#name.value = entry.name;
    this.#state.value = { kind: "starting", fraction: 0, what: "" };
    try {
      await this.#start(entry, attempt);
    } catch (error) {
      if (attempt !== this.#attempt) return;
      const analyst = this.#analyst.peek();
      this.#state.value = analyst
        ? { kind: "ready", analyst }
        : { kind: "missing", reason: technicalReason(error) };
      this.#name.value = analyst ? before : null;
      const meanwhile = analyst ? "The one before goes on." : "Music plays meanwhile, but the picture rests.";
      this.#options.notices.show("error", `${explainModel(error)} ${meanwhile}`, {
        label: "Try again",
        run: () => void this.choose(entry.name),
      });
    }
  }

  /** The model, once its start has come to an end one way or the other. */
  settled(): Promise<Analyst | null> {
    return new Promise((resolve) => {
      const stop = effect(() => {
        const state = this.#state.value;
        if (state.kind === "starting") return;
        resolve(state.kind === "ready" ? state.analyst : null);
        // An effect cannot end itself while it runs for the first time: `stop` is not there yet.
        queueMicrotask(() => stop());
      });
    });
  }

  async #start(entry: RegistryEntry, attempt: number): Promise<void> {
    const { services, prepare } = this.#options;
    const analyst = await services.startAnalyst(entry.latestUrl, (fraction, what) => {
      if (attempt === this.#attempt) this.#state.value = { kind: "starting", fraction, what };
    });
    const wanted = () => attempt === this.#attempt && !this.#scope.disposed;
    let takeOver: (() => void) | null = null;
    try {
      if (wanted()) takeOver = await this.#prepare(analyst, prepare);
    } catch (error) {
      analyst.dispose();
      throw error;
    }
    if (!takeOver || !wanted()) {
      analyst.dispose();
      return;
    }
    const before = this.#analyst.peek();
    this.#analyst.value = analyst;
    takeOver();
    this.#state.value = { kind: "ready", analyst };
    before?.dispose();
  }

  async #prepare(analyst: Analyst, prepare: ModelsOptions["prepare"]): Promise<() => void> {
    const { nParameters } = analyst.bundle.mappings;
    if (nParameters !== N_PARAMETERS) {
      throw new BundleError(
        "mappings.json: n_parameters",
        `is ${nParameters}, but pictures have ${N_PARAMETERS} parameters`,
      );
    }
    return prepare(analyst);
  }
}
