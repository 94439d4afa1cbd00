import type { ReadonlySignal } from "@preact/signals";
import type { JSX } from "preact";
import {
  CameraIcon,
  FullScreenIcon,
  LeaveFullScreenIcon,
  NextIcon,
  OpenIcon,
  PauseIcon,
  PlayIcon,
  PreviousIcon,
  SmallWindowIcon,
  StopIcon,
} from "./icons";
import type { Playground } from "./playground";
import { SeekBar } from "./seek-bar";
import { VisualMenu } from "./visual-menu";
import { Volume } from "./volume";

interface TransportProps {
  readonly playground: Playground;
  readonly fullScreen: ReadonlySignal<boolean>;
  readonly onFullScreen: () => void;
  readonly onOpen: () => void;
  readonly onRecord: () => void;
  /** Whether the picture stands in a window of its own; null where the browser has none. */
  readonly smallWindow: ReadonlySignal<boolean> | null;
  readonly onSmallWindow: () => void;
}

/** The player's controls, once there is something to play. */
export function Transport({
  playground,
  fullScreen,
  onFullScreen,
  onOpen,
  onRecord,
  smallWindow,
  onSmallWindow,
}: TransportProps): JSX.Element | null {
  const track = playground.track.value;
  if (!track) return null;
  const playing = playground.playing.value;
  const { previous, next } = playground.playlist.neighbours.value;
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
        {(previous || next) && (
          <>
            <button
              type="button"
              class="icon-button"
              aria-label="Previous track"
              title="Previous track (Shift ←)"
              disabled={!previous}
              onClick={() => void playground.step(-1)}
            >
              <PreviousIcon />
            </button>
            <button
              type="button"
              class="icon-button"
              aria-label="Next track"
              title="Next track (Shift →)"
              disabled={!next}
              onClick={() => void playground.step(1)}
            >
              <NextIcon />
            </button>
          </>
        )}
        <Volume settings={playground.settings} />
        <VisualMenu choices={playground.choices} />
        <span class="grow" />
        <button
          type="button"
          class="icon-button"
          aria-label="Music"
          title="Playlist, other music, microphone"
          onClick={onOpen}
        >
          <OpenIcon />
        </button>
        <button
          type="button"
          class="icon-button"
          aria-label="Save picture or video"
          title="Save picture or video"
          onClick={onRecord}
        >
          <CameraIcon />
        </button>
        {smallWindow && (
          <button
            type="button"
            class="icon-button optional"
            aria-label="Picture in its own small window"
            title="Picture in its own small window"
            aria-pressed={smallWindow.value}
            onClick={onSmallWindow}
          >
            <SmallWindowIcon />
          </button>
        )}
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
