import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { formatTime, speakPosition } from "../player/format";
import type { Playground } from "./playground";

/** Elapsed time, the slider, remaining time. The slider's track also shows how far the analysis has come. */
export function SeekBar({ playground }: { playground: Playground }): JSX.Element {
  // While the thumb is dragged it follows the hand; the music moves when it is let go.
  const dragged = useSignal<number | null>(null);
  const durationSeconds = playground.track.value?.durationSeconds ?? 0;
  const position = dragged.value ?? playground.positionSeconds.value;
  const share = (seconds: number) => (durationSeconds > 0 ? Math.min(1, seconds / durationSeconds) : 0);

  const release = () => {
    if (dragged.value !== null) playground.seek(dragged.value);
    dragged.value = null;
  };

  return (
    <div class="seek">
      <span class="time" aria-hidden="true">
        {formatTime(position)}
      </span>
      <input
        type="range"
        class="range seek-range"
        data-seek
        aria-label="Position in the track"
        aria-valuetext={speakPosition(position, durationSeconds)}
        min={0}
        max={durationSeconds}
        step="any"
        value={position}
        style={{ "--fill": share(position), "--ready": share(playground.readyUntilSeconds.value) }}
        onInput={(event) => (dragged.value = event.currentTarget.valueAsNumber)}
        onChange={release}
        onBlur={release}
      />
      <span class="time" aria-hidden="true">
        −{formatTime(Math.ceil(durationSeconds - position))}
      </span>
    </div>
  );
}
