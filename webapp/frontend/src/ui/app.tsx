import { effect, signal, useSignal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { Scope } from "../player/scope";
import { About } from "./about";
import { ClickGesture } from "./gestures";
import { InfoIcon, Mark, SlidersIcon } from "./icons";
import { IdleWatch } from "./idle";
import { commandFor, focusKind, type Command } from "./keyboard";
import { LightNote } from "./light-note";
import { Meters } from "./meters";
import { NoticeList } from "./notice-list";
import { Panel } from "./panel";
import type { Playground } from "./playground";
import { demoSource, fileSource } from "./sources";
import { Stage } from "./stage";
import { pageTitle } from "./state";
import { Transport } from "./transport";
import { Welcome } from "./welcome";

interface AppProps {
  readonly playground: Playground;
  readonly seed: number;
  /** Where the list of demo tracks lies; their files lie beside it. */
  readonly tracksUrl: string;
}

export function App({ playground, seed, tracksUrl }: AppProps): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const panelButton = useRef<HTMLButtonElement>(null);
  const panelOpen = useSignal(false);
  const aboutOpen = useSignal(false);
  const dropping = useSignal(false);
  const fullScreen = useSignal(false);
  const drawable = useSignal(true);
  const controlsVisible = useSignal(true);
  const page = useMemo(
    () => new PageEvents(playground, { panelOpen, aboutOpen, dropping, fullScreen }),
    [playground, panelOpen, aboutOpen, dropping, fullScreen],
  );

  useEffect(() => {
    const scope = new Scope();
    page.attach(scope, panelButton);
    scope.own(
      effect(() => {
        controlsVisible.value = page.controlsVisible.value;
      }),
    );
    if (canvas.current) {
      const stage = new Stage(scope, playground, canvas.current, seed);
      scope.own(
        effect(() => {
          drawable.value = stage.available.value;
        }),
      );
    }
    return () => scope.dispose();
  }, [page, playground, seed, controlsVisible, drawable]);

  const metersAsPicture = !drawable.value && playground.track.value !== null;
  const pickFile = () => picker.current?.click();
  const openPicked = (input: HTMLInputElement) => {
    const file = input.files?.[0];
    if (file) void playground.open(fileSource(file));
    input.value = ""; // so that the same file can be chosen again
  };

  return (
    <div class="page" data-controls={controlsVisible.value ? "shown" : "hidden"}>
      <header class="topbar chrome">
        <p class="brand">
          <Mark />
          tfdeepviz
        </p>
        <button
          type="button"
          class="icon-button"
          aria-label="About this page"
          title="About"
          onClick={() => (aboutOpen.value = true)}
        >
          <InfoIcon />
        </button>
        <button
          type="button"
          class="icon-button"
          aria-label="Settings"
          title="Settings"
          aria-expanded={panelOpen.value}
          aria-controls="panel"
          ref={panelButton}
          onClick={() => (panelOpen.value = !panelOpen.value)}
        >
          <SlidersIcon />
        </button>
      </header>
      <main>
        <canvas
          id="stage"
          ref={canvas}
          aria-label={`Picture: ${playground.visual.value.title}`}
          role="img"
          onClick={() => page.clickStage()}
          onPointerDown={(event) => page.pressStage(event.pointerType)}
        />
        {metersAsPicture && (
          <section class="no-picture" aria-label="Meters">
            <Meters playground={playground} />
          </section>
        )}
        <Welcome
          playground={playground}
          onChoose={pickFile}
          onDemo={(track) => void playground.open(demoSource(track, tracksUrl))}
        />
        <div class="chrome dock">
          <Transport
            playground={playground}
            fullScreen={fullScreen}
            onFullScreen={() => page.run({ kind: "toggle-full-screen" })}
            onOpen={pickFile}
          />
        </div>
        <input
          type="file"
          class="visually-hidden"
          accept="audio/*,.mp3,.wav,.flac,.ogg,.oga,.opus,.m4a,.aac"
          tabIndex={-1}
          aria-label="Audio file"
          ref={picker}
          onChange={(event) => openPicked(event.currentTarget)}
        />
      </main>
      <Panel
        playground={playground}
        open={panelOpen.value}
        withoutMeters={metersAsPicture}
        onClose={() => page.run({ kind: "close-panel" })}
      />
      <NoticeList notices={playground.notices} />
      {dropping.value && (
        <div class="drop" aria-hidden="true">
          <p>Let go to listen</p>
        </div>
      )}
      <LightNote playground={playground} />
      <About playground={playground} open={aboutOpen.value} onClose={() => (aboutOpen.value = false)} />
    </div>
  );
}

interface PageState {
  readonly panelOpen: Signal<boolean>;
  readonly aboutOpen: Signal<boolean>;
  readonly dropping: Signal<boolean>;
  readonly fullScreen: Signal<boolean>;
}

/** What the document reports: keys, pointer, drops, full screen; and what the document shows of our state. */
class PageEvents {
  readonly #playground: Playground;
  readonly #state: PageState;
  readonly #controlsVisible = signal(true);
  #panelButton: { readonly current: HTMLElement | null } = { current: null };
  #idle: IdleWatch | null = null;
  #clicks: ClickGesture | null = null;
  /** A touch that only brought the controls back. */
  #touchWakes = false;

  constructor(playground: Playground, state: PageState) {
    this.#playground = playground;
    this.#state = state;
  }

  get controlsVisible(): ReadonlySignal<boolean> {
    return this.#controlsVisible;
  }

  attach(scope: Scope, panelButton: { readonly current: HTMLElement | null }): void {
    const { fullScreen } = this.#state;
    const playground = this.#playground;
    this.#panelButton = panelButton;
    const idle = new IdleWatch(scope, () => ({
      playing: playground.phase.peek() === "playing",
      hovered: document.querySelector(".chrome button:hover, .transport:hover, .notice:hover") !== null,
      focused: document.querySelector(".chrome :focus-visible, .notice :focus-visible") !== null,
      busy: this.#state.panelOpen.peek() || this.#state.aboutOpen.peek() || playground.noteOpen.peek(),
    }));
    this.#idle = idle;
    this.#clicks = new ClickGesture(
      scope,
      () => this.run({ kind: "toggle-play" }),
      () => this.run({ kind: "toggle-full-screen" }),
    );
    scope.own(
      effect(() => {
        this.#controlsVisible.value = idle.visible.value;
      }),
    );
    scope.own(
      effect(() => {
        // A new state is worth seeing the controls for.
        if (playground.phase.value !== "playing") idle.moved();
      }),
    );
    scope.own(effect(() => this.#describe(document.documentElement)));
    scope.own(
      effect(() => {
        document.title = pageTitle(playground.track.value);
      }),
    );
    scope.listen(window, "pointermove", () => idle.moved(), { passive: true });
    scope.listen(window, "keydown", (event) => this.#key(event));
    scope.listen(document, "focusin", () => idle.moved());
    scope.listen(document, "fullscreenchange", () => {
      fullScreen.value = document.fullscreenElement !== null;
    });
    this.#acceptDrops(scope);
  }

  clickStage(): void {
    if (this.#touchWakes) {
      this.#touchWakes = false;
      return;
    }
    if (this.#playground.track.peek()) this.#clicks?.click();
  }

  pressStage(pointerType: string): void {
    this.#touchWakes = pointerType === "touch" && !this.#controlsVisible.peek();
    this.#idle?.moved();
  }

  run(command: Command): void {
    const playground = this.#playground;
    switch (command.kind) {
      case "toggle-play":
        void playground.togglePlay();
        break;
      case "seek-by":
        playground.seekBy(command.seconds);
        break;
      case "volume-by":
        playground.changeVolume(command.amount);
        break;
      case "toggle-mute":
        playground.settings.muted.value = !playground.settings.muted.value;
        break;
      case "toggle-full-screen":
        void this.#toggleFullScreen();
        break;
      case "close-panel":
        if (this.#state.panelOpen.peek()) {
          this.#state.panelOpen.value = false;
          this.#panelButton.current?.focus();
        }
        break;
    }
  }

  #key(event: KeyboardEvent): void {
    this.#idle?.moved();
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const command = commandFor(event, focusKind(document.activeElement));
    if (!command) return;
    // Escape is left to the browser as well: it leaves full screen.
    if (command.kind !== "close-panel") event.preventDefault();
    this.run(command);
  }

  async #toggleFullScreen(): Promise<void> {
    try {
      if (document.fullscreenElement) await document.exitFullscreen();
      else await document.documentElement.requestFullscreen({ navigationUI: "hide" });
    } catch {
      this.#playground.notices.show("info", "This browser does not let the page fill the screen.");
    }
  }

  #acceptDrops(scope: Scope): void {
    const { dropping } = this.#state;
    const holdsFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    scope.listen(window, "dragover", (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      dropping.value = true;
    });
    scope.listen(window, "dragleave", (event) => {
      // Leaving one element for another has a related target; leaving the window has none.
      if (event.relatedTarget === null) dropping.value = false;
    });
    scope.listen(window, "drop", (event) => {
      dropping.value = false;
      if (!holdsFiles(event)) return;
      event.preventDefault();
      const file = event.dataTransfer?.files[0];
      if (file) void this.#playground.open(fileSource(file));
    });
  }

  /** The state in attributes, for style sheets, tests and pages that embed this one. */
  #describe(root: HTMLElement): void {
    const engine = this.#playground.engine.value;
    root.dataset.state = this.#playground.phase.value;
    if (engine.kind === "ready") {
      root.dataset.backend = engine.analyst.backend.name;
      root.dataset.threads = String(engine.analyst.backend.threads);
    }
  }
}
