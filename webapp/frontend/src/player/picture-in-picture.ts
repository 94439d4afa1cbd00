import { signal, type ReadonlySignal } from "@preact/signals";
import { FrameLoop, type Disposer, type Scope } from "./scope";

/**
 * The picture in a small window above all others.
 *
 * A video element that shows the canvas's stream goes into the window: Chromium and Safari both have that. Document
 * Picture-in-Picture would take the canvas itself, but only Chromium has it, and a canvas that changes its document
 * takes its observers and the page's layout with it. Firefox lets no page ask for either.
 */

/** Until the stream's first picture has come through; a browser that shows none by then will not. */
const FIRST_PICTURE_MS = 3000;
/** Frames that come at least so often need no help. */
const FRAMES_ALIVE_MS = 100;
/** The least milliseconds between two ticks: a page in the background that gets to run late must not catch up. */
const MIN_TICK_MS = 25;

/** The window did not open; the message says why, for people. */
export class PictureInPictureError extends Error {
  constructor(problem: string, options?: ErrorOptions) {
    super(`The picture cannot be shown in its own window: ${problem}`, options);
    this.name = "PictureInPictureError";
  }
}

/** What of the browser is used; tests hand in their own. */
export interface PictureInPictureBrowser {
  readonly supported: boolean;
  readonly hidden: () => boolean;
  createVideo(): HTMLVideoElement;
  /** A clock that goes on while the page is hidden. */
  startTicking(onTick: () => void): Disposer;
}

export class PictureInPicture {
  readonly #scope: Scope;
  readonly #onTick: () => void;
  readonly #browser: PictureInPictureBrowser;
  readonly #active = signal(false);
  readonly #frames: FrameLoop;
  #close: Disposer | null = null;
  #video: HTMLVideoElement | null = null;
  #opening = false;
  /** Closed by the person before it was open: no reason to complain. */
  #cancelled = false;
  #lastFrameMs = -Infinity;
  #lastTickMs = -Infinity;

  /**
   * @param onTick draw the picture now: called while the window is open and the browser gives the page no frames of its
   *   own because it is hidden, and until the first picture is in the window
   */
  constructor(scope: Scope, onTick: () => void, browser = browserPictureInPicture()) {
    this.#scope = scope;
    this.#onTick = onTick;
    this.#browser = browser;
    // Chromium may go on giving frames to a hidden page whose picture is on the screen; others do not.
    this.#frames = new FrameLoop(scope, (nowMs) => {
      this.#lastFrameMs = nowMs;
      return this.#close !== null;
    });
    scope.own(() => this.#end());
  }

  get supported(): boolean {
    return this.#browser.supported;
  }

  get active(): ReadonlySignal<boolean> {
    return this.#active;
  }

  /**
   * Open the window, or close it. Browsers want it to follow something that the person did.
   *
   * @param title what the system calls the window, where it shows a name
   * @throws PictureInPictureError when the browser refuses
   */
  async toggle(canvas: HTMLCanvasElement, title: string): Promise<void> {
    if (this.#close) {
      this.#cancelled = true;
      this.#close();
      return;
    }
    if (this.#opening || this.#scope.disposed) return;
    if (!this.supported) throw new PictureInPictureError("not supported by this browser.");
    this.#opening = true;
    this.#cancelled = false;
    try {
      await this.#open(canvas, title);
    } catch (error) {
      this.#end();
      if (this.#calledOff()) return;
      if (error instanceof PictureInPictureError) throw error;
      throw new PictureInPictureError("the browser refused. Press the button once more.", { cause: error });
    } finally {
      this.#opening = false;
    }
  }

  /** Let the window, if it is open, show that canvas: the one before may be gone. */
  follow(canvas: HTMLCanvasElement): void {
    const video = this.#video;
    if (!video) return;
    stopStream(video);
    video.srcObject = canvas.captureStream();
    video.play().catch(() => this.#end());
    this.#onTick();
  }

  async #open(canvas: HTMLCanvasElement, title: string): Promise<void> {
    const video = this.#browser.createVideo();
    this.#video = video;
    video.title = title;
    video.srcObject = canvas.captureStream();
    const stopTicking = this.#browser.startTicking(() => this.#tick());
    this.#close = this.#scope.own(() => {
      this.#close = null;
      this.#video = null;
      this.#active.value = false;
      stopTicking();
      stopStream(video);
      video.srcObject = null;
      leave(video);
    });
    video.addEventListener("leavepictureinpicture", () => this.#end(), { once: true });
    this.#frames.wake();
    // A stream begins with the next picture that is drawn, and a canvas that stands still draws none by itself.
    this.#onTick();
    await this.#firstPicture(video);
    await video.requestPictureInPicture();
    // Closed again, or the page has gone, before the window was there.
    if (this.#calledOff()) leave(video);
    else this.#active.value = true;
  }

  #end(): void {
    this.#close?.();
  }

  #calledOff(): boolean {
    return this.#cancelled || this.#scope.disposed;
  }

  #firstPicture(video: HTMLVideoElement): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = this.#scope.timeout(FIRST_PICTURE_MS, () =>
        reject(new PictureInPictureError("no picture came through. Try again while music plays.")),
      );
      video
        .play()
        .then(resolve, reject)
        .finally(() => late());
    });
  }

  #tick(): void {
    const nowMs = performance.now();
    if (nowMs - this.#lastTickMs < MIN_TICK_MS) return;
    // Until the window is open, the stream waits for pictures that a page in sight may not be drawing.
    if (this.#active.peek() && (!this.#browser.hidden() || nowMs - this.#lastFrameMs < FRAMES_ALIVE_MS))
      return;
    this.#lastTickMs = nowMs;
    this.#onTick();
  }
}

function stopStream({ srcObject }: HTMLVideoElement): void {
  for (const track of (srcObject as MediaStream | null)?.getTracks() ?? []) track.stop();
}

function leave(video: HTMLVideoElement): void {
  if (document.pictureInPictureElement !== video) return;
  // The window may be closing by itself already.
  document.exitPictureInPicture().catch(() => undefined);
}

export function browserPictureInPicture(): PictureInPictureBrowser {
  return {
    supported:
      typeof document !== "undefined" &&
      "pictureInPictureEnabled" in document &&
      document.pictureInPictureEnabled &&
      typeof HTMLCanvasElement.prototype.captureStream === "function",
    hidden: () => document.hidden,
    createVideo: () => {
      const video = document.createElement("video");
      // Muted videos may play without being asked for; the sound has its own way.
      video.muted = true;
      video.playsInline = true;
      return video;
    },
    startTicking: (onTick) => {
      const worker = new Worker(new URL("./ticker.ts", import.meta.url), { type: "module" });
      worker.onmessage = onTick;
      return () => worker.terminate();
    },
  };
}
