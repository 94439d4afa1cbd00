import type { JSX } from "preact";
import { formatTime } from "../player/format";
import { Bars, OpenIcon, heightsFor } from "./icons";
import type { Playground } from "./playground";
import type { DemoTrack } from "./sources";

interface WelcomeProps {
  readonly playground: Playground;
  /** What the sender of the address listened to. */
  readonly wantedTrack: string | null;
  readonly onChoose: () => void;
  readonly onLibrary: () => void;
  readonly onDemo: (track: DemoTrack) => void;
}

/** What the page is, and the three ways to begin. */
export function Welcome({
  playground,
  wantedTrack,
  onChoose,
  onLibrary,
  onDemo,
}: WelcomeProps): JSX.Element | null {
  if (playground.track.value || playground.live.value) return null;
  const tracks = playground.demoTracks.value;
  const wanted = tracks.find(({ title }) => title === wantedTrack);
  return (
    <div class="welcome">
      <div class="invitation">
        <h1>See what a network hears in your music</h1>
        <p class="lead">
          It boils every moment of a song down to ten numbers, and the ten numbers move a picture. All of it
          happens in this page.
        </p>
        <div class="begin">
          <button type="button" class="button primary large" onClick={onChoose}>
            <OpenIcon />
            Choose a song
          </button>
          <button type="button" class="button large" onClick={onLibrary}>
            Playlist, microphone and more
          </button>
          <p class="muted begin-drop">or drop songs anywhere</p>
        </div>
        {wantedTrack !== null && (
          <p class="wanted">
            This look was made with <strong>{wantedTrack}</strong>.{" "}
            {wanted ? (
              <button type="button" class="link-button" onClick={() => onDemo(wanted)}>
                Play it
              </button>
            ) : (
              "Open it if you have it, or try the look with another song."
            )}
          </p>
        )}
        <p class="opening" role="status">
          {playground.progress.value}
        </p>
      </div>
      {tracks.length > 0 && (
        <section class="demos" aria-labelledby="demos-title">
          <h2 id="demos-title">Or begin with one of ours</h2>
          <ul>
            {tracks.map((track, i) => (
              <li key={track.file}>
                <button
                  type="button"
                  class="demo surface"
                  // Hues a golden angle apart differ however many tracks there are.
                  style={{ "--hue": (i * 137.5 + 40) % 360 }}
                  onClick={() => onDemo(track)}
                >
                  <Bars heights={heightsFor(track.title)} className="demo-sign" />
                  <span class="demo-text">
                    <span class="demo-genre">{track.genre}</span>
                    <span class="demo-title">{track.title}</span>
                  </span>
                  <span class="demo-time muted">{formatTime(track.durationSeconds)}</span>
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
      <p class="privacy muted">Your music stays on this device: nothing of it is sent anywhere.</p>
    </div>
  );
}
