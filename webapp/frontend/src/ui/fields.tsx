import type { JSX } from "preact";

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

/** A range with its name above it, and what its value does. */
export function Slider({
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

export function Check({ title, help, checked, onChange }: CheckProps): JSX.Element {
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

export function Choice({ group, title, help, checked, onChoose }: ChoiceProps): JSX.Element {
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
