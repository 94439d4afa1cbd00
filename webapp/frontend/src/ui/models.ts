import { batch, computed, effect, signal, type ReadonlySignal } from "@preact/signals";
import { BundleError, type RegistryEntry } from "../bundle";
import type { Scope } from "../player/scope";
import { N_PARAMETERS } from "../visuals/visual";
import type { Analyst, Services } from "./engine";
import type { NoticeAction, Notices } from "./notices";
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
  readonly prepare: (analyst: Analyst, signal: AbortSignal) => Promise<() => void>;
}

/** A model on its way. */
interface Wanted {
  /** Null while the server's list of models is on its way as well. */
  readonly name: string | null;
  readonly abort: AbortController;
}

/** What the server offers, the model that listens, and the one that is to listen next. */
export class Models {
  readonly #options: ModelsOptions;
  readonly #entries = signal<readonly RegistryEntry[]>([]);
  readonly #running = signal<{ readonly name: string; readonly analyst: Analyst } | null>(null);
  readonly #wanted = signal<Wanted | null>({ name: null, abort: new AbortController() });
  readonly #progress = signal({ fraction: 0, what: "" });
  /** Why no model runs, where none does. */
  readonly #reason = signal("");
  /** The notice that says so, or that another model could not be had. */
  #notice: number | null = null;

  constructor(scope: Scope, options: ModelsOptions) {
    this.#options = options;
    scope.own(() => {
      this.#wanted.peek()?.abort.abort();
      this.#running.peek()?.analyst.dispose();
    });
  }

  readonly state: ReadonlySignal<EngineState> = computed(() => {
    const running = this.#running.value;
    if (this.#wanted.value) return { kind: "starting", ...this.#progress.value };
    return running
      ? { kind: "ready", analyst: running.analyst }
      : { kind: "missing", reason: this.#reason.value };
  });

  get entries(): ReadonlySignal<readonly RegistryEntry[]> {
    return this.#entries;
  }

  /** The one that is on its way, otherwise the one that listens. */
  readonly name: ReadonlySignal<string | null> = computed(
    () => this.#wanted.value?.name ?? this.#running.value?.name ?? null,
  );

  /** The one that listens. While another one starts, it goes on. */
  readonly analyst: ReadonlySignal<Analyst | null> = computed(() => this.#running.value?.analyst ?? null);

  /** The name, or null where it is the server's first model, which needs no mention. */
  readonly ownName: ReadonlySignal<string | null> = computed(() => {
    const [first] = this.#entries.value;
    return this.name.value === first?.name ? null : this.name.value;
  });

  /** Fetch what the server offers, and start the model of that name; the server's first one unless it has it. */
  async start(name: string | null): Promise<void> {
    const { services } = this.#options;
    const wanted = this.#want(null);
    try {
      const { bundles } = await services.loadRegistry();
      if (wanted.abort.signal.aborted) return;
      this.#entries.value = bundles;
      if (bundles.length > 0) {
        await this.choose(name);
      } else {
        const reason = "This server offers no model yet.";
        this.#giveUp(reason);
        this.#say(`${reason} Music plays, but the picture will not react.`, null);
      }
    } catch (error) {
      if (wanted.abort.signal.aborted) return;
      this.#giveUp(technicalReason(error));
      this.#explain(error, () => void this.start(name));
    }
  }

  /** Use another model as soon as it is ready; null: the server's first one. */
  async choose(name: string | null): Promise<void> {
    const [first] = this.#entries.peek();
    const found = this.#entries.peek().find((entry) => entry.name === name);
    if (name !== null && !found) {
      this.#options.notices.show("info", `Model “${name}” is not available here; the default is used.`);
    }
    const entry = found ?? first;
    if (!entry || entry.name === this.#wanted.peek()?.name) return;
    if (entry.name === this.#running.peek()?.name) {
      this.#giveUp(""); // back to the one that listens: nothing else is wanted
      return;
    }
    const wanted = this.#want(entry.name);
    try {
      await this.#start(entry, wanted.abort.signal);
    } catch (error) {
      if (wanted.abort.signal.aborted) return;
      this.#giveUp(technicalReason(error));
      this.#explain(error, () => void this.choose(entry.name));
    }
  }

  /** Put away a model whose analysis failed: its worker may be dead. It can be chosen again. */
  lose(analyst: Analyst, error: unknown): void {
    const running = this.#running.peek();
    if (running?.analyst !== analyst) return;
    batch(() => {
      this.#running.value = null;
      this.#reason.value = technicalReason(error);
    });
    analyst.dispose();
    // Where another one is on its way, nothing is left to do.
    if (!this.#wanted.peek()) this.#explain(error, () => void this.choose(running.name));
  }

  /** The model, once its start has come to an end one way or the other. */
  settled(): Promise<Analyst | null> {
    return new Promise((resolve) => {
      const stop = effect(() => {
        const state = this.state.value;
        if (state.kind === "starting") return;
        resolve(state.kind === "ready" ? state.analyst : null);
        // An effect cannot end itself while it runs for the first time: `stop` is not there yet.
        queueMicrotask(() => stop());
      });
    });
  }

  /** Give up what was wanted before. */
  #want(name: string | null): Wanted {
    this.#wanted.peek()?.abort.abort();
    this.#unsay();
    const wanted = { name, abort: new AbortController() };
    batch(() => {
      this.#wanted.value = wanted;
      this.#progress.value = { fraction: 0, what: "" };
    });
    return wanted;
  }

  /** Nothing is on its way any more. */
  #giveUp(reason: string): void {
    this.#wanted.peek()?.abort.abort();
    this.#unsay();
    batch(() => {
      this.#wanted.value = null;
      this.#reason.value = reason;
    });
  }

  #explain(error: unknown, retry: () => void): void {
    const meanwhile = this.#running.peek()
      ? "The previous model keeps listening."
      : "Music plays, but the picture will not react.";
    this.#say(`${explainModel(error)} ${meanwhile}`, { label: "Try again", run: retry });
  }

  #say(words: string, action: NoticeAction | null): void {
    this.#unsay();
    this.#notice = this.#options.notices.show("error", words, action, true);
  }

  #unsay(): void {
    if (this.#notice !== null) this.#options.notices.dismiss(this.#notice);
    this.#notice = null;
  }

  async #start(entry: RegistryEntry, signal: AbortSignal): Promise<void> {
    const { services, prepare } = this.#options;
    const report = (fraction: number, what: string) => {
      if (!signal.aborted) this.#progress.value = { fraction, what };
    };
    const analyst = await services.startAnalyst(entry.latestUrl, report, signal);
    let takeOver: () => void;
    try {
      signal.throwIfAborted();
      checkParameters(analyst);
      takeOver = await prepare(analyst, signal);
      signal.throwIfAborted();
    } catch (error) {
      analyst.dispose();
      throw error;
    }
    const before = this.#running.peek();
    batch(() => {
      this.#running.value = { name: entry.name, analyst };
      this.#wanted.value = null;
    });
    takeOver();
    before?.analyst.dispose();
  }
}

function checkParameters({ bundle }: Analyst): void {
  const { nParameters } = bundle.mappings;
  if (nParameters === N_PARAMETERS) return;
  throw new BundleError(
    "mappings.json: n_parameters",
    `is ${nParameters}, but pictures have ${N_PARAMETERS} parameters`,
  );
}
