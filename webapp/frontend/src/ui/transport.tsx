import type { ReadonlySignal } from "@preact/signals";
import type { JSX } from "preact";
import { FullScreenIcon, LeaveFullScreenIcon, OpenIcon, PauseIcon, PlayIcon, StopIcon } from "./icons";
import type { Playground } from "./playground";
import { SeekBar } from "./seek-bar";
import { Volume } from "./volume";

interface TransportProps {
  readonly playground: Playground;
  readonly fullScreen: ReadonlySignal<boolean>;
  readonly onFullScreen: () => void;
  readonly onOpen: () => void;
}

/** The player's controls, once there is something to play. */
export function Transport({
  playground,
  fullScreen,
  onFullScreen,
  onOpen,
}: TransportProps): JSX.Element | null {
  const track = playground.track.value;
  if (!track) return null;
  const playing = playground.playing.value;
  return (
    <section class="transport surface" aria-label="Player" data-waiting={playground.waiting.value}>
      <div class="now">
        <p class="now-title">
          <strong>{track.title}</strong>
          {track.artist && <span class="muted"> {track.artist}</span>}
        </p>
        <p class="now-progress muted">{playground.progress.value}</p>
      </div>
      <SeekBar playground={playground} />
      <div class="controls">
        <button
          type="button"
          class="icon-button play"
          aria-label={playing ? "Pause" : "Play"}
          title={playing ? "Pause (Space)" : "Play (Space)"}
          onClick={() => void playground.togglePlay()}
        >
          {playing ? <PauseIcon /> : <PlayIcon />}
        </button>
        <button
          type="button"
          class="icon-button"
          aria-label="Stop"
          title="Stop and go back to the start"
          onClick={() => playground.stop()}
        >
          <StopIcon />
        </button>
        <Volume settings={playground.settings} />
        <VisualSwitch playground={playground} />
        <span class="grow" />
        <button
          type="button"
          class="icon-button"
          aria-label="Open another track"
          title="Open another track"
          onClick={onOpen}
        >
          <OpenIcon />
        </button>
        {document.fullscreenEnabled && (
          <button
            type="button"
            class="icon-button"
            aria-label={fullScreen.value ? "Leave full screen" : "Full screen"}
            title={fullScreen.value ? "Leave full screen (F)" : "Full screen (F)"}
            onClick={onFullScreen}
          >
            {fullScreen.value ? <LeaveFullScreenIcon /> : <FullScreenIcon />}
          </button>
        )}
      </div>
    </section>
  );
}

/** The visuals side by side: the one choice that everybody wants at hand. */
function VisualSwitch({ playground }: { playground: Playground }): JSX.Element {
  const { visualId } = playground.settings;
  return (
    <div class="switch" role="group" aria-label="Picture">
      {playground.visuals.map(({ id, title, description }) => (
        <button
          key={id}
          type="button"
          title={description}
          aria-pressed={visualId.value === id}
          onClick={() => (visualId.value = id)}
        >
          {title}
        </button>
      ))}
    </div>
  );
}
