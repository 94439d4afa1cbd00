import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { useSignal, type Signal } from "@preact/signals";
import { halfLifeSeconds } from "../player/format";
import type { ProjectionName, Scaling, ScalingMethod, ScalingMode, TimeSettings } from "../bundle";
import { CalmChoice } from "./calm-choice";
import { CloseIcon } from "./icons";
import { hidesImportance, type MappingChoice, type TimeChoice } from "./listening";
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
  const apart = useSignal(false);
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
      <Smoothing playground={playground} apart={apart} />
      <div class="group">
        <CalmChoice settings={playground.settings} />
      </div>
      <Timing playground={playground} apart={apart} />
      <details class="group more">
        <summary>Model and mapping</summary>
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

interface TimingProps {
  readonly playground: Playground;
  /** The person wants a slider for rising and one for falling. */
  readonly apart: Signal<boolean>;
}

function isApart({ attack, release }: TimeSettings, apart: Signal<boolean>): boolean {
  return apart.value || attack !== release;
}

function Smoothing({ playground, apart }: TimingProps): JSX.Element | null {
  const time = playground.time.value;
  if (!time) return null;
  const { attack, release } = time;
  const slider = (id: string, label: string, retention: number, change: (value: number) => TimeChoice) => {
    const effect = speakSmoothing(halfLifeSeconds(retention, time.tickSeconds));
    return (
      <Slider
        id={id}
        label={label}
        range={[0, 1, 0.01]}
        value={retention}
        effect={effect}
        valueText={`${retention.toFixed(2)}, ${effect}`}
        onInput={(value) => playground.chooseTime(change(value))}
      />
    );
  };
  return (
    <div class="group">
      {isApart(time, apart) ? (
        <>
          {slider("attack", "Smoothing while rising", attack, (value) => ({ attack: value }))}
          {slider("release", "Smoothing while falling", release, (value) => ({ release: value }))}
        </>
      ) : (
        slider("smoothing", "Smoothing", attack, (value) => ({ attack: value, release: value }))
      )}
      <p class="help muted">
        How long the picture remembers. To the left every beat shows at once; to the right it drifts with the
        music.
      </p>
    </div>
  );
}

/** In milliseconds, to both sides. */
const LOOK_AHEAD_RANGE = 500;

function Timing({ playground, apart }: TimingProps): JSX.Element | null {
  const time = playground.time.value;
  if (!time) return null;
  const lookAhead = Math.round(time.lookAheadSeconds * 1000);
  const effect = speakLookAhead(lookAhead);
  return (
    <details class="group more">
      <summary>Timing</summary>
      <Check
        title="Rise and fall apart"
        help="Two sliders for smoothing: quick to rise and slow to fall shows every beat and lets it fade."
        checked={isApart(time, apart)}
        onChange={(checked) => {
          apart.value = checked;
          if (!checked) playground.chooseTime({ attack: time.release });
        }}
      />
      <Check
        title="Glide between moments"
        help="The model listens moment by moment. The picture glides from one to the next; without this it jumps."
        checked={time.interpolation === "linear"}
        onChange={(checked) => playground.chooseTime({ interpolation: checked ? "linear" : "hold" })}
      />
      <Slider
        id="look-ahead"
        label="Look-ahead"
        range={[-LOOK_AHEAD_RANGE, LOOK_AHEAD_RANGE, 10]}
        value={lookAhead}
        effect={effect}
        valueText={effect}
        onInput={(value) => playground.chooseTime({ lookAheadSeconds: value / 1000 })}
      />
      <p class="help muted">
        Smoothing makes the picture late; looking ahead makes up for it. To the left it trails the sound.
      </p>
    </details>
  );
}

function speakLookAhead(milliseconds: number): string {
  if (milliseconds === 0) return "in time";
  return `${Math.abs(milliseconds)} ms ${milliseconds > 0 ? "ahead" : "behind"}`;
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

type Words<Name extends string> = Readonly<Record<Name, readonly [title: string, help: string]>>;

/** What people read for the names that bundles use. */
const PROJECTION_WORDS: Words<ProjectionName> = {
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
const MODE_WORDS: Words<ScalingMode> = {
  features: [
    "Each by itself",
    "Every number is stretched over its own range, so all ten move about equally.",
  ],
  across: [
    "All together",
    "One stretch for all ten: what varies more in the music moves more in the picture.",
  ],
};
const METHOD_WORDS: Words<ScalingMethod> = {
  standard: ["Usual range", "What is common fills the range; rare extremes are cut off. Lively."],
  robust: ["Nearly whole range", "All but the rarest extremes fit into the range."],
  minmax: ["Whole range", "Only the greatest extremes reach the ends; nothing is cut off. Quieter."],
  "per-track": ["This track’s range", "Measured on the track that plays, so that quiet pieces move, too."],
};

function MappingChooser({ playground }: { playground: Playground }): JSX.Element | null {
  const engine = playground.engine.value;
  const mapping = playground.mapping.value;
  if (engine.kind !== "ready" || !mapping) return null;
  const { projections } = engine.analyst.bundle.mappings;
  const scalingsOf = (projection: string) =>
    projections.find(({ name }) => name === projection)?.scalings ?? [];
  const scalings = scalingsOf(mapping.projection);
  const choose = (change: Partial<MappingChoice>) => {
    const wanted = { ...mapping, ...change };
    playground.chooseMapping(nearest(scalingsOf(wanted.projection), wanted));
  };
  return (
    <>
      {projections.length > 1 && (
        <label class="field">
          <span>Mapping</span>
          <select
            value={mapping.projection}
            onChange={({ currentTarget: { value } }) => {
              const chosen = projections.find(({ name }) => name === value);
              if (chosen) choose({ projection: chosen.name });
            }}
          >
            {projections.map(({ name }) => (
              <option key={name} value={name} selected={name === mapping.projection}>
                {PROJECTION_WORDS[name][0]}
              </option>
            ))}
          </select>
          <small class="help muted">
            How what the model hears becomes the ten numbers that move the picture.{" "}
            {PROJECTION_WORDS[mapping.projection][1]}
          </small>
        </label>
      )}
      <fieldset class="subgroup">
        <legend>Scaling</legend>
        {unique(scalings.map(({ mode }) => mode)).map((mode) => (
          <Choice
            key={mode}
            group="mode"
            title={MODE_WORDS[mode][0]}
            help={MODE_WORDS[mode][1]}
            checked={mapping.mode === mode}
            onChoose={() => choose({ mode })}
          />
        ))}
        <p class="help muted" role="status">
          {hidesImportance(mapping) &&
            "Sorted by importance and then each stretched by itself: the last number moves as much as the first, " +
              "so their order no longer shows. “All together” keeps it."}
        </p>
      </fieldset>
      <fieldset class="subgroup">
        <legend>Method</legend>
        {scalings
          .filter(({ mode }) => mode === mapping.mode)
          .map(({ method }) => (
            <Choice
              key={method}
              group="method"
              title={METHOD_WORDS[method][0]}
              help={METHOD_WORDS[method][1]}
              checked={mapping.method === method}
              onChoose={() => choose({ method })}
            />
          ))}
      </fieldset>
    </>
  );
}

/** The choice that is wanted, with a mode and a method that are offered. */
function nearest(scalings: readonly Scaling[], wanted: MappingChoice): MappingChoice {
  const inMode = scalings.filter(({ mode }) => mode === wanted.mode);
  const offered = inMode.length > 0 ? inMode : scalings;
  const { mode, method } =
    offered.find((scaling) => scaling.method === wanted.method) ?? offered[0] ?? wanted;
  return { projection: wanted.projection, mode, method };
}

function unique<T>(items: readonly T[]): readonly T[] {
  return [...new Set(items)];
}

interface SliderProps {
  readonly id: string;
  readonly label: string;
  readonly range: readonly [min: number, max: number, step: number];
  readonly value: number;
  /** What the value does, in a few words. */
  readonly effect: string;
  /** What a screen reader says for the value. */
  readonly valueText: string;
  readonly onInput: (value: number) => void;
}

function Slider({
  id,
  label,
  range: [min, max, step],
  value,
  effect,
  valueText,
  onInput,
}: SliderProps): JSX.Element {
  return (
    <div class="slider">
      <div class="slider-head">
        <label for={id}>{label}</label>
        <span class="muted">{effect}</span>
      </div>
      <input
        id={id}
        type="range"
        class="range"
        aria-valuetext={valueText}
        min={min}
        max={max}
        step={step}
        value={value}
        style={{ "--fill": Math.min(1, Math.max(0, (value - min) / (max - min))) }}
        onInput={(event) => onInput(event.currentTarget.valueAsNumber)}
      />
    </div>
  );
}

interface CheckProps {
  readonly title: string;
  readonly help: string;
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
}

function Check({ title, help, checked, onChange }: CheckProps): JSX.Element {
  return (
    <label class="check">
      <input type="checkbox" checked={checked} onChange={(event) => onChange(event.currentTarget.checked)} />
      <span>
        {title}
        <small class="muted">{help}</small>
      </span>
    </label>
  );
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
