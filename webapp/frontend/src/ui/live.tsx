import type { JSX } from "preact";
import { microphoneObstacle, tabObstacle } from "../live/capture";
import { LIVE_LATENCY_SECONDS, type LiveSession } from "../live/live-session";
import type { LiveInputKind } from "../live/live-input-error";
import { MicrophoneIcon, StopIcon, TabIcon } from "./icons";
import { VisualMenu } from "./visual-menu";
import type { Playground } from "./playground";

/** The two ways to show what sounds now. */
export function LiveChoice({ onListen }: { onListen: (kind: LiveInputKind) => void }): JSX.Element {
  const [noMicrophone, noTab] = [microphoneObstacle(), tabObstacle()];
  return (
    <div class="live-choice">
      <p>
        The picture follows what sounds now, about {LIVE_LATENCY_SECONDS} second behind: the model needs to
        hear what comes after a moment. Nothing is recorded, played back or sent anywhere.
      </p>
      <p class="live-buttons">
        {!noMicrophone && (
          <button type="button" class="button" onClick={() => onListen("microphone")}>
            <MicrophoneIcon />
            Microphone
          </button>
        )}
        {!noTab && (
          <button type="button" class="button" onClick={() => onListen("tab")}>
            <TabIcon />
            Tab audio
          </button>
        )}
      </p>
      {noMicrophone && <p>{noMicrophone.message}</p>}
      {noTab ? (
        <p>{noTab.message}</p>
      ) : (
        <p class="help muted">
          For a tab, the browser asks which one: choose it, and leave “Also share tab audio” switched on.
        </p>
      )}
    </div>
  );
}

interface LiveBarProps {
  readonly playground: Playground;
  readonly session: LiveSession;
}

/** In place of the player while something is heard live. */
export function LiveBar({ playground, session }: LiveBarProps): JSX.Element {
  const level = session.level.value;
  return (
    <section class="transport surface live" aria-label="Live sound">
      <div class="now">
        <p class="now-title">
          <strong>{session.label}</strong>
        </p>
        <p class="now-progress muted">{LIVE_LATENCY_SECONDS} s behind</p>
      </div>
      <span class="meter live-level" aria-hidden="true" style={{ "--value": level }} />
      <div class="controls">
        <button
          type="button"
          class="icon-button play"
          aria-label="Stop listening"
          title="Stop listening (Space)"
          onClick={() => playground.stopLive()}
        >
          <StopIcon />
        </button>
        <VisualMenu choices={playground.choices} />
      </div>
    </section>
  );
}
