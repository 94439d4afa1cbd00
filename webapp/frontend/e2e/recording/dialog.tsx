/** The dialog by itself, beside the recordings of harness.ts. */
import { render } from "preact";
import { signal } from "@preact/signals";
import { takeStill } from "../../src/recording/still";
import { recordVideo } from "../../src/recording/video";
import { Recorder, type RecorderSubject } from "../../src/ui/recorder";
import "../../src/ui/styles/index.css";
import "../../src/ui/styles/recorder.css";
import { lamp, lampAt, tone, TRACK_SECONDS } from "./harness";

const open = signal(false);
const subject = signal<RecorderSubject>({
  title: "Step",
  artist: "Lamp",
  visual: "Light",
  durationSeconds: TRACK_SECONDS,
  positionSeconds: 1,
  audio: { sampleRate: 44100, numberOfChannels: 2 },
  screen: { width: 160, height: 91 },
  obstacle: null,
});
const announced: string[] = [];

function Page() {
  return (
    <>
      <button type="button" onClick={() => (open.value = true)}>
        Open
      </button>
      <Recorder
        open={open.value}
        subject={subject.value}
        onClose={() => (open.value = false)}
        takeStill={(size) => takeStill({ create: lamp, frame: lampAt(2), size })}
        recordVideo={(choice, watch) =>
          recordVideo(
            { create: lamp, frameAt: lampAt, audio: tone(44100, 2), title: "Step", artist: "Lamp" },
            choice,
            watch,
          )
        }
        announce={(kind, words) => announced.push(`${kind}: ${words}`)}
      />
    </>
  );
}

const dialog = {
  announced,
  change(changes: Partial<RecorderSubject>): void {
    subject.value = { ...subject.value, ...changes };
  },
};

declare global {
  interface Window {
    dialog: typeof dialog;
  }
}
window.dialog = dialog;
const app = document.getElementById("app");
if (app) render(<Page />, app);
