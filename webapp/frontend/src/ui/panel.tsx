import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import type { EncodingCache } from "../cache/encoding-cache";
import { CalmChoice } from "./calm-choice";
import { Heard } from "./genres";
import { CloseIcon } from "./icons";
import { Keeping } from "./keeping";
import { Meters } from "./meters";
import { MappingChooser, ModelChooser } from "./model-chooser";
import type { Playground } from "./playground";
import type { Presets } from "./presets";
import { OutputDelay, Smoothing, Timing } from "./timing";
import { VisualChooser } from "./visual-chooser";

interface PanelProps {
  readonly playground: Playground;
  readonly presets: Presets;
  readonly cache: EncodingCache;
  readonly open: boolean;
  /** The meters stand on the stage already, because there is no picture. */
  readonly withoutMeters: boolean;
  readonly onClose: () => void;
}

/** Everything that can be chosen, the simple things first. */
export function Panel({ playground, presets, cache, open, withoutMeters, onClose }: PanelProps): JSX.Element {
  const { choices, models, settings } = playground;
  const close = useRef<HTMLButtonElement>(null);
  const apart = useSignal(false);
  // Before anything else can be pressed, or the focus would be taken away from that.
  useLayoutEffect(() => {
    if (open) close.current?.focus();
  }, [open]);
  return (
    <aside id="panel" class="panel surface" aria-label="Settings" hidden={!open}>
      <header class="panel-head">
        <h2>Settings</h2>
        <button type="button" class="icon-button" aria-label="Close settings" ref={close} onClick={onClose}>
          <CloseIcon />
        </button>
      </header>
      <section class="group">
        <h3>Picture</h3>
        <VisualChooser choices={choices} group="visual" />
      </section>
      {!withoutMeters && (
        <section class="group">
          <h3>What moves it</h3>
          <Meters playground={playground} />
        </section>
      )}
      <Smoothing choices={choices} apart={apart} />
      <div class="group">
        <CalmChoice settings={settings} />
      </div>
      <Music playground={playground} />
      <details class="group more">
        <summary>Timing</summary>
        <Timing choices={choices} apart={apart} />
        <OutputDelay settings={settings} />
      </details>
      <details class="group more">
        <summary>Model and mapping</summary>
        <ModelChooser models={models} />
        <MappingChooser playground={playground} />
        <p>
          <button type="button" class="button small" onClick={() => choices.reset()}>
            Back to the model’s own settings
          </button>
        </p>
      </details>
      <Keeping playground={playground} presets={presets} cache={cache} />
    </aside>
  );
}

/** What the model takes the music for. */
function Music({ playground }: { playground: Playground }): JSX.Element | null {
  const impression = playground.impression.value;
  if (!impression) return null;
  return (
    <section class="group">
      <h3>What it sounds like to the model</h3>
      <Heard
        impression={impression}
        positionSeconds={playground.positionSeconds}
        readyUntilSeconds={playground.readyUntilSeconds}
      />
    </section>
  );
}
