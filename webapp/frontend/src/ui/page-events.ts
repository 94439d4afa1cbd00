import { effect, type ReadonlySignal } from "@preact/signals";
import type { Scope } from "../player/scope";
import { filesOfDrop } from "./audio-files";
import { ClickGesture } from "./gestures";
import type { Hint } from "./hint";
import { IdleWatch } from "./idle";
import { commandFor, focusKind, type Command } from "./keyboard";
import { offeredMapping, PROJECTION_WORDS } from "./listening";
import type { PageState } from "./page-state";
import type { Playground } from "./playground";
import { pageTitle } from "./state";

/** What the document reports: keys, pointer, drops, full screen; and what the document shows of our state. */
export class PageEvents {
  readonly #playground: Playground;
  readonly #state: PageState;
  readonly #hint: Hint;
  readonly #onFiles: (files: readonly File[]) => void;
  readonly #idle: IdleWatch;
  readonly #clicks: ClickGesture;
  /** A touch that only brought the controls back. */
  #touchWakes = false;

  constructor(
    scope: Scope,
    playground: Playground,
    state: PageState,
    hint: Hint,
    onFiles: (files: readonly File[]) => void,
  ) {
    this.#playground = playground;
    this.#state = state;
    this.#hint = hint;
    this.#onFiles = onFiles;
    this.#idle = new IdleWatch(scope, () => ({
      playing: playground.phase.peek() === "playing",
      hovered: document.querySelector(".chrome button:hover, .transport:hover, .notice:hover") !== null,
      focused: document.querySelector(".chrome :focus-visible, .notice :focus-visible") !== null,
      busy: state.panelOpen.peek() || document.querySelector("dialog[open], :popover-open") !== null,
    }));
    this.#clicks = new ClickGesture(
      scope,
      () => this.run({ kind: "toggle-play" }),
      () => this.run({ kind: "toggle-full-screen" }),
    );
    scope.own(
      effect(() => {
        // A new state is worth seeing the controls for.
        if (playground.phase.value !== "playing") this.#idle.moved();
      }),
    );
    scope.own(effect(() => this.#describe(document.documentElement)));
    scope.own(
      effect(() => {
        document.title = pageTitle(playground.track.value);
      }),
    );
    scope.listen(window, "pointermove", () => this.#idle.moved(), { passive: true });
    scope.listen(window, "keydown", (event) => this.#key(event));
    scope.listen(document, "focusin", () => this.#idle.moved());
    scope.listen(document, "fullscreenchange", () => {
      state.fullScreen.value = document.fullscreenElement !== null;
    });
    this.#acceptDrops(scope);
    this.#refusePresses(scope);
  }

  get controlsVisible(): ReadonlySignal<boolean> {
    return this.#idle.visible;
  }

  clickStage(): void {
    if (this.#touchWakes) {
      this.#touchWakes = false;
      return;
    }
    const { track, live } = this.#playground;
    if (track.peek() ?? live.peek()) this.#clicks.click();
  }

  pressStage(pointerType: string): void {
    this.#touchWakes = pointerType === "touch" && !this.controlsVisible.peek();
    this.#idle.moved();
  }

  run(command: Command): void {
    const { choices, settings } = this.#playground;
    switch (command.kind) {
      case "toggle-play":
        void this.#playground.togglePlay();
        break;
      case "seek-by":
        this.#playground.seekBy(command.seconds);
        break;
      case "volume-by":
        this.#playground.changeVolume(command.amount);
        break;
      case "toggle-mute":
        settings.muted.value = !settings.muted.value;
        break;
      case "toggle-full-screen":
        void this.#toggleFullScreen();
        break;
      case "step-visual":
        choices.stepVisual(command.by);
        this.#hint.show(choices.visual.peek().title);
        break;
      case "step-track":
        void this.#playground.step(command.by);
        break;
      case "choose-mapping":
        this.#chooseMapping(command.place);
        break;
      case "toggle-lock":
        this.#state.locked.value = !this.#state.locked.value;
        this.#hint.show(this.#state.locked.value ? "Locked. L unlocks." : "Unlocked");
        break;
      case "show-keys":
        this.#state.dialog.value = "keys";
        break;
      case "close-panel":
        this.closePanel();
        break;
    }
  }

  closePanel(): void {
    if (!this.#state.panelOpen.peek()) return;
    this.#state.panelOpen.value = false;
    document.querySelector<HTMLElement>("[aria-controls=panel]")?.focus();
  }

  #chooseMapping(place: number): void {
    const { choices, models } = this.#playground;
    const projections = models.analyst.peek()?.bundle.mappings.projections ?? [];
    const [chosen, now] = [projections[place], choices.mapping.peek()];
    if (!chosen || !now) return;
    choices.chooseMapping(offeredMapping(projections, { ...now, projection: chosen.name }));
    this.#hint.show(PROJECTION_WORDS[chosen.name][0]);
  }

  #key(event: KeyboardEvent): void {
    const { locked } = this.#state;
    if (!locked.peek()) this.#idle.moved();
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const command = commandFor(event, locked.peek() ? "page" : focusKind(document.activeElement));
    if (locked.peek() && command?.kind !== "toggle-lock") {
      // Keys of the browser stay its own: nobody may be locked in.
      if (command && command.kind !== "close-panel") event.preventDefault();
      return;
    }
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
      this.#playground.notices.show("info", "Full screen is not available here.");
    }
  }

  #acceptDrops(scope: Scope): void {
    const { dropping, locked } = this.#state;
    // What the page does not take is refused, or the browser would leave the page for it.
    const takes = (event: DragEvent) => {
      const { dataTransfer, target } = event;
      const files = dataTransfer?.types.includes("Files") ?? false;
      const unlocked = !locked.peek();
      const field = target instanceof Element && target.matches("input[type=text], textarea");
      if (unlocked && field && !files) return false;
      event.preventDefault();
      if (dataTransfer && !(unlocked && files)) dataTransfer.dropEffect = "none";
      return unlocked && files;
    };
    scope.listen(window, "dragover", (event) => {
      if (takes(event)) dropping.value = true;
    });
    scope.listen(window, "dragleave", (event) => {
      // Leaving one element for another has a related target; leaving the window has none.
      if (event.relatedTarget === null) dropping.value = false;
    });
    scope.listen(window, "drop", (event) => {
      dropping.value = false;
      if (takes(event) && event.dataTransfer) void filesOfDrop(event.dataTransfer).then(this.#onFiles);
    });
  }

  /** While the page is locked, presses count on the lock only, however they come: links open by the middle button, too. */
  #refusePresses(scope: Scope): void {
    const refuse = (event: Event) => {
      const allowed = event.target instanceof Element && event.target.closest(".lock, dialog");
      if (!this.#state.locked.peek() || allowed) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    };
    scope.listen(window, "click", refuse, { capture: true });
    scope.listen(window, "auxclick", refuse, { capture: true });
  }

  /** The state in attributes, for style sheets, tests and pages that embed this one. */
  #describe(root: HTMLElement): void {
    root.dataset.state = this.#playground.phase.value;
    const analyst = this.#playground.models.analyst.value;
    if (analyst) {
      root.dataset.backend = analyst.backend.name;
      root.dataset.threads = String(analyst.backend.threads);
      root.dataset.model = analyst.bundle.name;
    } else {
      delete root.dataset.backend;
      delete root.dataset.threads;
      delete root.dataset.model;
    }
  }
}
