import { batch } from "@preact/signals";
import type { JSX } from "preact";
import { formatPercent } from "../player/format";
import { MutedIcon, SoundIcon } from "./icons";
import type { Settings } from "./settings";

export function Volume({ settings }: { settings: Settings }): JSX.Element {
  const { volume, muted } = settings;
  const silent = muted.value || volume.value === 0;
  return (
    <div class="volume">
      <button
        type="button"
        class="icon-button"
        aria-label="Mute"
        aria-pressed={muted.value}
        title="Mute (M)"
        onClick={() => (muted.value = !muted.value)}
      >
        {silent ? <MutedIcon /> : <SoundIcon />}
      </button>
      <input
        type="range"
        class="range volume-range"
        aria-label="Volume"
        aria-valuetext={muted.value ? "muted" : formatPercent(volume.value)}
        min={0}
        max={1}
        step={0.05}
        value={muted.value ? 0 : volume.value}
        style={{ "--fill": muted.value ? 0 : volume.value }}
        onInput={(event) => {
          const value = event.currentTarget.valueAsNumber;
          batch(() => {
            volume.value = value;
            muted.value = false;
          });
        }}
      />
    </div>
  );
}
