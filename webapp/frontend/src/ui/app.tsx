import { computed, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { EncodingCache } from "../cache/encoding-cache";
import type { Library } from "../library/library";
import { MediaKeys } from "../player/media-session";
import { PictureInPicture } from "../player/picture-in-picture";
import { Scope } from "../player/scope";
import { keepScreenOn } from "../player/wake-lock";
import { recordVideo } from "../recording/video";
import { takeStill } from "../recording/still";
import { About } from "./about";
import { Hint, HintView } from "./hint";
import { InfoIcon, LockIcon, Mark, SlidersIcon } from "./icons";
import { Keys } from "./keys";
import { LibraryDialog } from "./library";
import { LightNote } from "./light-note";
import { LiveBar, LiveChoice } from "./live";
import { Lock } from "./lock";
import { Meters } from "./meters";
import { NoticeList } from "./notice-list";
import { PageEvents } from "./page-events";
import type { PageState } from "./page-state";
import { Panel } from "./panel";
import type { Playground } from "./playground";
import type { Presets } from "./presets";
import { Recorder } from "./recorder";
import { demoSource } from "./sources";
import { StageView } from "./stage-view";
import { Transport } from "./transport";
import { Welcome } from "./welcome";

interface AppProps {
  readonly playground: Playground;
  readonly presets: Presets;
  readonly library: Library;
  readonly cache: EncodingCache;
  readonly state: PageState;
  /** Where the server's index of FMA tracks lies. */
  readonly fmaUrl: string;
  /** Where the list of demo tracks lies; their files lie beside it. */
  readonly tracksUrl: string;
  /** What the sender of the address listened to. */
  readonly wantedTrack: string | null;
}

export function App(props: AppProps): JSX.Element {
  const { playground, presets, library, cache, state, fmaUrl, tracksUrl, wantedTrack } = props;
  const { panelOpen, dialog, fullScreen, locked, dropping } = state;
  const canvas = useRef<HTMLCanvasElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const drawable = useSignal(true);
  const page = useMemo(() => new Page(playground, state), [playground, state]);

  useEffect(() => () => page.scope.dispose(), [page]);

  const metersAsPicture = !drawable.value && playground.track.value !== null;
  const pickFiles = () => picker.current?.click();
  const live = playground.live.value;
  const close = () => (dialog.value = null);
  const demos = useMemo(
    () => playground.demoTracks.value.map((track) => demoSource(track, tracksUrl)),
    [playground.demoTracks.value, tracksUrl],
  );
  const controlsShown = page.events.controlsVisible.value && !locked.value;

  return (
    <div class="page" data-controls={controlsShown ? "shown" : "hidden"}>
      <header class="topbar chrome">
        <p class="brand">
          <Mark />
          tfdeepviz
        </p>
        <button
          type="button"
          class="icon-button"
          aria-label="About this page"
          title="About"
          onClick={() => (dialog.value = "about")}
        >
          <InfoIcon />
        </button>
        <button
          type="button"
          class="icon-button"
          aria-label="Lock the page"
          title="Lock (L): only the picture"
          onClick={() => page.events.run({ kind: "toggle-lock" })}
        >
          <LockIcon />
        </button>
        <button
          type="button"
          class="icon-button"
          aria-label="Settings"
          title="Settings"
          aria-expanded={panelOpen.value}
          aria-controls="panel"
          onClick={() => (panelOpen.value = !panelOpen.value)}
        >
          <SlidersIcon />
        </button>
      </header>
      <main>
        <StageView
          playground={playground}
          canvas={canvas}
          drawable={drawable}
          onCanvas={page.followCanvas}
          onClick={() => page.events.clickStage()}
          onPress={(pointerType) => page.events.pressStage(pointerType)}
        />
        {metersAsPicture && (
          <section class="no-picture" aria-label="Meters">
            <Meters playground={playground} />
          </section>
        )}
        <Welcome
          playground={playground}
          wantedTrack={wantedTrack}
          onChoose={pickFiles}
          onLibrary={() => (dialog.value = "library")}
          onDemo={(track) => void playground.openAll([demoSource(track, tracksUrl)])}
        />
        <div class="chrome dock">
          {live ? (
            <LiveBar playground={playground} session={live} />
          ) : (
            <Transport
              playground={playground}
              fullScreen={fullScreen}
              onFullScreen={() => page.events.run({ kind: "toggle-full-screen" })}
              onOpen={() => (dialog.value = "library")}
              onRecord={() => (dialog.value = "recorder")}
              smallWindow={page.smallWindow.supported ? page.smallWindow.active : null}
              onSmallWindow={() => void page.toggleSmallWindow(canvas.current)}
            />
          )}
        </div>
        <input
          type="file"
          class="visually-hidden"
          accept="audio/*,.mp3,.wav,.flac,.ogg,.oga,.opus,.m4a,.aac"
          multiple
          tabIndex={-1}
          aria-label="Audio files"
          ref={picker}
          onChange={({ currentTarget: input }) => {
            page.openFiles([...(input.files ?? [])]);
            input.value = ""; // so that the same file can be chosen again
          }}
        />
      </main>
      <Panel
        playground={playground}
        presets={presets}
        cache={cache}
        open={panelOpen.value}
        withoutMeters={metersAsPicture}
        onClose={() => page.events.closePanel()}
      />
      <HintView text={page.hint.text} />
      <NoticeList notices={playground.notices} />
      {dropping.value && (
        <div class="drop" aria-hidden="true">
          <p>Drop to play</p>
        </div>
      )}
      <Lock locked={locked} />
      <LightNote playground={playground} />
      <About
        playground={playground}
        open={dialog.value === "about"}
        onClose={close}
        onKeys={() => (dialog.value = "keys")}
      />
      <LibraryDialog
        open={dialog.value === "library"}
        onClose={close}
        library={library}
        fmaUrl={fmaUrl}
        playlist={playground.playlist}
        onPlay={(entry) => {
          close();
          void playground.openEntry(entry);
        }}
        demos={demos}
        live={
          <LiveChoice
            onListen={(kind) => {
              close();
              void playground.listenLive(kind);
            }}
          />
        }
      />
      <Keys open={dialog.value === "keys"} onClose={close} />
      <RecorderFor
        playground={playground}
        open={dialog.value === "recorder"}
        canvas={canvas}
        onClose={close}
      />
    </div>
  );
}

interface RecorderForProps {
  readonly playground: Playground;
  readonly open: boolean;
  readonly canvas: { readonly current: HTMLCanvasElement | null };
  readonly onClose: () => void;
}

function RecorderFor({ playground, open, canvas, onClose }: RecorderForProps): JSX.Element {
  const track = playground.track.value;
  return (
    <Recorder
      open={open}
      onClose={onClose}
      subject={{
        title: track?.title ?? null,
        artist: track?.artist ?? null,
        visual: playground.choices.visual.value.title,
        durationSeconds: track?.durationSeconds ?? null,
        // Read when the dialog opens, and not with every move of the playhead.
        positionSeconds: playground.positionSeconds.peek(),
        audio: playground.audio,
        screen: { width: canvas.current?.width ?? 1280, height: canvas.current?.height ?? 720 },
        obstacle: playground.recordingObstacle.value,
      }}
      takeStill={(size) => takeStill({ create: playground.pictureMaker(), frame: playground.frame, size })}
      recordVideo={(choice, watch) => recordVideo(playground.recordingSubject(), choice, watch)}
      announce={(kind, words) => playground.notices.show(kind, words)}
    />
  );
}

/** What belongs to the page as long as it stands: its events, its window above others, the system's media keys. */
class Page {
  readonly scope = new Scope();
  readonly hint = new Hint(this.scope);
  readonly events: PageEvents;
  readonly smallWindow: PictureInPicture;
  readonly #playground: Playground;

  constructor(playground: Playground, state: PageState) {
    this.#playground = playground;
    this.events = new PageEvents(this.scope, playground, state, this.hint, (files) => this.openFiles(files));
    this.smallWindow = new PictureInPicture(this.scope, () => playground.draw());
    const { playing, live } = playground;
    keepScreenOn(
      this.scope,
      computed(() => playing.value || live.value !== null),
    );
    MediaKeys.attach(this.scope, {
      track: playground.track,
      playing: playground.playing,
      positionSeconds: playground.positionSeconds,
      neighbours: playground.playlist.neighbours,
      actions: {
        play: () => void playground.play(),
        pause: () => playground.pause(),
        stop: () => playground.stop(),
        previous: () => void playground.step(-1),
        next: () => void playground.step(1),
        seekTo: (seconds) => playground.seek(seconds),
        seekBy: (seconds) => playground.seekBy(seconds),
      },
    });
  }

  readonly followCanvas = (canvas: HTMLCanvasElement): void => this.smallWindow.follow(canvas);

  openFiles(files: readonly File[]): void {
    void this.#playground.openFiles(files);
  }

  async toggleSmallWindow(canvas: HTMLCanvasElement | null): Promise<void> {
    if (!canvas) return;
    try {
      await this.smallWindow.toggle(canvas, this.#playground.track.peek()?.title ?? "tfdeepviz");
    } catch (error) {
      this.#playground.notices.show("error", error instanceof Error ? error.message : String(error));
    }
  }
}
