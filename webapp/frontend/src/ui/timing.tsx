import type { Signal } from "@preact/signals";
import type { JSX } from "preact";
import type { TimeSettings } from "../bundle";
import { halfLifeSeconds } from "../player/format";
import type { Choices } from "./choices";
import { Check, Slider } from "./fields";
import type { TimeChoice } from "./listening";
import { MAX_OUTPUT_DELAY_SECONDS, type Settings } from "./settings";

interface TimingProps {
  readonly choices: Choices;
  /** The person wants a slider for rising and one for falling. */
  readonly apart: Signal<boolean>;
}

function isApart({ attack, release }: TimeSettings, apart: Signal<boolean>): boolean {
  return apart.value || attack !== release;
}

export function Smoothing({ choices, apart }: TimingProps): JSX.Element | null {
  const time = choices.time.value;
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
        onInput={(value) => choices.chooseTime(change(value))}
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

export function Timing({ choices, apart }: TimingProps): JSX.Element | null {
  const time = choices.time.value;
  if (!time) return null;
  const lookAhead = Math.round(time.lookAheadSeconds * 1000);
  const effect = speakLookAhead(lookAhead);
  return (
    <>
      <Check
        title="Rise and fall apart"
        help="Two sliders for smoothing: quick to rise and slow to fall shows every beat and lets it fade."
        checked={isApart(time, apart)}
        onChange={(checked) => {
          apart.value = checked;
          if (!checked) choices.chooseTime({ attack: time.release });
        }}
      />
      <Check
        title="Glide between moments"
        help="The model listens moment by moment. The picture glides from one to the next; without this it jumps."
        checked={time.interpolation === "linear"}
        onChange={(checked) => choices.chooseTime({ interpolation: checked ? "linear" : "hold" })}
      />
      <Slider
        id="look-ahead"
        label="Look-ahead"
        range={[-LOOK_AHEAD_RANGE, LOOK_AHEAD_RANGE, 10]}
        value={lookAhead}
        effect={effect}
        valueText={effect}
        onInput={(value) => choices.chooseTime({ lookAheadSeconds: value / 1000 })}
      />
      <p class="help muted">
        Smoothing makes the picture late; looking ahead makes up for it. To the left it trails the sound.
      </p>
    </>
  );
}

interface OutputDelayProps {
  readonly settings: Pick<Settings, "outputDelaySeconds">;
}

/** For loudspeakers that the browser does not know to be late. */
export function OutputDelay({ settings: { outputDelaySeconds } }: OutputDelayProps): JSX.Element {
  const milliseconds = Math.round(outputDelaySeconds.value * 1000);
  const effect = milliseconds === 0 ? "none" : `${milliseconds} ms`;
  return (
    <>
      <Slider
        id="output-delay"
        label="Delay of the loudspeaker"
        range={[0, 1000 * MAX_OUTPUT_DELAY_SECONDS, 10]}
        value={milliseconds}
        effect={effect}
        valueText={effect}
        onInput={(value) => (outputDelaySeconds.value = value / 1000)}
      />
      <p class="help muted">
        Bluetooth brings the sound late, by 100 to 300 ms as a rule. If the picture is ahead of what you hear,
        move this to the right until both are together.
      </p>
    </>
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
