import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { halfLifeSeconds } from "../player/format";
import type { Scaling } from "../bundle";
import { CalmChoice } from "./calm-choice";
import { CloseIcon } from "./icons";
import type { MappingChoice } from "./listening";
import { Meters } from "./meters";
import type { Playground } from "./playground";

interface PanelProps {
  readonly playground: Playground;
  readonly open: boolean;
  /** The meters stand on the stage already, because there is no picture. */
  readonly withoutMeters: boolean;
  readonly onClose: () => void;
}

/** Everything that can be chosen, the simple things first. */
export function Panel({ playground, open, withoutMeters, onClose }: PanelProps): JSX.Element {
  const close = useRef<HTMLButtonElement>(null);
  useEffect(() => {
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
      <VisualChooser playground={playground} />
      {!withoutMeters && (
        <section class="group">
          <h3>What moves it</h3>
          <Meters playground={playground} />
        </section>
      )}
      <Smoothing playground={playground} />
      <div class="group">
        <CalmChoice settings={playground.settings} />
      </div>
      <details class="group more">
        <summary>Model and scaling</summary>
        <ModelChooser playground={playground} />
        <MappingChooser playground={playground} />
        <p>
          <button type="button" class="button small" onClick={() => playground.resetChoices()}>
            Back to the model’s own settings
          </button>
        </p>
      </details>
    </aside>
  );
}

function VisualChooser({ playground }: { playground: Playground }): JSX.Element {
  const { visualId } = playground.settings;
  return (
    <fieldset class="group">
      <legend>Picture</legend>
      {playground.visuals.map(({ id, title, description }) => (
        <Choice
          key={id}
          group="visual"
          title={title}
          help={description}
          checked={visualId.value === id}
          onChoose={() => (visualId.value = id)}
        />
      ))}
    </fieldset>
  );
}

function Smoothing({ playground }: { playground: Playground }): JSX.Element | null {
  const smoothing = playground.smoothing.value;
  if (!smoothing) return null;
  const { retention, tickSeconds } = smoothing;
  const effect = speakSmoothing(halfLifeSeconds(retention, tickSeconds));
  return (
    <div class="group">
      <div class="slider-head">
        <label for="smoothing">Smoothing</label>
        <span class="muted">{effect}</span>
      </div>
      <input
        id="smoothing"
        type="range"
        class="range"
        aria-valuetext={`${retention.toFixed(2)}, ${effect}`}
        min={0}
        max={1}
        step={0.01}
        value={retention}
        style={{ "--fill": retention }}
        onInput={(event) => playground.chooseRetention(event.currentTarget.valueAsNumber)}
      />
      <p class="help muted">
        How long the picture remembers. To the left every beat shows at once; to the right it drifts with the
        music.
      </p>
    </div>
  );
}

function speakSmoothing(halfLife: number): string {
  if (halfLife === 0) return "none";
  if (!Number.isFinite(halfLife)) return "stands still";
  const milliseconds = halfLife * 1000;
  return `half forgotten after ${milliseconds < 10 ? milliseconds.toFixed(1) : milliseconds.toFixed(0)} ms`;
}

function ModelChooser({ playground }: { playground: Playground }): JSX.Element {
  const models = playground.models.value;
  const name = playground.modelName.value ?? "";
  return (
    <label class="field">
      <span>Model</span>
      <select
        value={name}
        disabled={models.length === 0}
        onChange={(event) => void playground.chooseModel(event.currentTarget.value)}
      >
        {models.length === 0 && <option value="">none</option>}
        {models.map((model) => (
          <option key={model.name} value={model.name} selected={model.name === name}>
            {model.title}
          </option>
        ))}
      </select>
      <small class="help muted">
        The network that listens. Each one hears other things in the same song.
      </small>
    </label>
  );
}

/** What people read for the names that bundles use. */
const MODES: Readonly<Record<string, readonly [title: string, help: string]>> = {
  features: [
    "Each by itself",
    "Every number is stretched over its own range, so all ten move about equally.",
  ],
  across: [
    "All together",
    "One stretch for all ten: what varies more in the music moves more in the picture.",
  ],
};
const METHODS: Readonly<Record<string, readonly [title: string, help: string]>> = {
  standard: ["Usual range", "What is common fills the range; rare extremes are cut off. Lively."],
  minmax: ["Whole range", "Only the greatest extremes reach the ends; nothing is cut off. Quieter."],
};

function MappingChooser({ playground }: { playground: Playground }): JSX.Element | null {
  const engine = playground.engine.value;
  const mapping = playground.mapping.value;
  if (engine.kind !== "ready" || !mapping) return null;
  const { projections } = engine.analyst.bundle.mappings;
  const scalings = projections.find(({ name }) => name === mapping.projection)?.scalings ?? [];
  const choose = (change: Partial<MappingChoice>) =>
    playground.chooseMapping(nearest(scalings, mapping, change));
  return (
    <>
      {projections.length > 1 && (
        <label class="field">
          <span>Mapping</span>
          <select
            value={mapping.projection}
            onChange={(event) =>
              playground.chooseMapping({ ...mapping, projection: event.currentTarget.value })
            }
          >
            {projections.map(({ name }) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
          <small class="help muted">How the model’s numbers become the ten that move the picture.</small>
        </label>
      )}
      <fieldset class="subgroup">
        <legend>Scaling</legend>
        {unique(scalings.map(({ mode }) => mode)).map((mode) => (
          <Choice
            key={mode}
            group="mode"
            title={MODES[mode]?.[0] ?? mode}
            help={MODES[mode]?.[1] ?? ""}
            checked={mapping.mode === mode}
            onChoose={() => choose({ mode })}
          />
        ))}
      </fieldset>
      <fieldset class="subgroup">
        <legend>Method</legend>
        {unique(scalings.filter(({ mode }) => mode === mapping.mode).map(({ method }) => method)).map(
          (method) => (
            <Choice
              key={method}
              group="method"
              title={METHODS[method]?.[0] ?? method}
              help={METHODS[method]?.[1] ?? ""}
              checked={mapping.method === method}
              onChoose={() => choose({ method })}
            />
          ),
        )}
      </fieldset>
    </>
  );
}

/** The changed choice, with a method that the new mode offers. */
function nearest(
  scalings: readonly Scaling[],
  mapping: MappingChoice,
  change: Partial<MappingChoice>,
): MappingChoice {
  const wanted = { ...mapping, ...change };
  const inMode = scalings.filter(({ mode }) => mode === wanted.mode);
  const method = inMode.some((scaling) => scaling.method === wanted.method)
    ? wanted.method
    : inMode[0]?.method;
  return { ...wanted, method: method ?? wanted.method };
}

function unique(names: readonly string[]): readonly string[] {
  return [...new Set(names)];
}

interface ChoiceProps {
  readonly group: string;
  readonly title: string;
  readonly help: string;
  readonly checked: boolean;
  readonly onChoose: () => void;
}

function Choice({ group, title, help, checked, onChoose }: ChoiceProps): JSX.Element {
  return (
    <label class="choice">
      <input type="radio" name={group} checked={checked} onChange={onChoose} />
      <span>
        {title}
        {help && <small class="muted">{help}</small>}
      </span>
    </label>
  );
}
