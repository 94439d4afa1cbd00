import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { formatTime, speakPosition } from "../player/format";
import type { Playground } from "./playground";
import { speakSection, WaveformCanvas } from "./waveform";

/** Elapsed time, the slider on the track's outline, remaining time. */
export function SeekBar({ playground }: { playground: Playground }): JSX.Element {
  // While the thumb is dragged it follows the hand; the music moves when it is let go.
  const dragged = useSignal<number | null>(null);
  const durationSeconds = playground.track.value?.durationSeconds ?? 0;
  const position = dragged.value ?? playground.positionSeconds.value;
  const section = speakSection(playground.sections.value, position);
  const spoken = speakPosition(position, durationSeconds) + (section === null ? "" : `, ${section}`);

  const release = () => {
    if (dragged.value !== null) playground.seek(dragged.value);
    dragged.value = null;
  };

  return (
    <div class="seek">
      <span class="time" aria-hidden="true">
        {formatTime(position)}
      </span>
      <div class="seek-lane">
        <WaveformCanvas
          waveform={playground.waveform}
          sections={playground.sections}
          positionSeconds={playground.positionSeconds}
          durationSeconds={durationSeconds}
          readyUntilSeconds={playground.readyUntilSeconds}
        />
        <input
          type="range"
          class="range seek-range"
          data-seek
          aria-label="Position in the track"
          aria-valuetext={spoken}
          min={0}
          max={durationSeconds}
          step="any"
          value={position}
          onInput={(event) => (dragged.value = event.currentTarget.valueAsNumber)}
          onChange={release}
          onBlur={release}
        />
      </div>
      <span class="time" aria-hidden="true">
        −{formatTime(Math.ceil(durationSeconds - position))}
      </span>
    </div>
  );
}
