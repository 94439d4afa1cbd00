import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  PictureInPicture,
  PictureInPictureError,
  browserPictureInPicture,
  type PictureInPictureBrowser,
} from "./picture-in-picture";
import { Scope } from "./scope";

class FakeVideo extends EventTarget {
  srcObject: unknown = null;
  title = "";
  readonly play = vi.fn(() => Promise.resolve());
  readonly requestPictureInPicture = vi.fn(() => {
    page.pictureInPictureElement = this;
    return Promise.resolve();
  });

  /** The person closes the window. */
  leave(): void {
    page.pictureInPictureElement = null;
    this.dispatchEvent(new Event("leavepictureinpicture"));
  }
}

const page = {
  pictureInPictureElement: null as FakeVideo | null,
  exitPictureInPicture: vi.fn(() => {
    page.pictureInPictureElement?.leave();
    return Promise.resolve();
  }),
};
const frames: FrameRequestCallback[] = [];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] });
  vi.stubGlobal("document", page);
  vi.stubGlobal("requestAnimationFrame", (callback: FrameRequestCallback) => frames.push(callback));
  vi.stubGlobal("cancelAnimationFrame", vi.fn());
  page.pictureInPictureElement = null;
  page.exitPictureInPicture.mockClear();
  frames.length = 0;
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function setUp({ supported = true } = {}) {
  const scope = new Scope();
  const video = new FakeVideo();
  const stop = vi.fn();
  const canvasOf = (stop: () => void) =>
    ({ captureStream: () => ({ stop, getTracks: () => [{ stop }] }) }) as unknown as HTMLCanvasElement;
  const canvas = canvasOf(stop);
  const onTick = vi.fn();
  const clock = { tick: null as (() => void) | null, hidden: false };
  const browser: PictureInPictureBrowser = {
    supported,
    hidden: () => clock.hidden,
    createVideo: () => video as unknown as HTMLVideoElement,
    startTicking: (tick) => {
      clock.tick = tick;
      return () => (clock.tick = null);
    },
  };
  const pictureInPicture = new PictureInPicture(scope, onTick, browser);
  const toggle = () => pictureInPicture.toggle(canvas, "Saturn");
  /** A third of a second of the worker's clock. */
  const run = () => {
    for (let i = 0; i < 10; i++) {
      vi.advanceTimersByTime(33);
      clock.tick?.();
    }
  };
  return { scope, video, stop, canvasOf, onTick, clock, pictureInPicture, toggle, run };
}

describe("PictureInPicture", () => {
  it("opens and closes", async () => {
    const { video, stop, onTick, clock, pictureInPicture, toggle } = setUp();
    await toggle();
    expect(pictureInPicture.active.value).toBe(true);
    expect([video.title, video.srcObject !== null]).toEqual(["Saturn", true]);
    expect(onTick).toHaveBeenCalledOnce();
    await toggle();
    expect(pictureInPicture.active.value).toBe(false);
    expect(page.exitPictureInPicture).toHaveBeenCalledOnce();
    expect(stop).toHaveBeenCalledOnce();
    expect([video.srcObject, clock.tick]).toEqual([null, null]);
    await toggle();
    expect(pictureInPicture.active.value).toBe(true);
  });

  it("follows the page to another canvas while the window is open", async () => {
    const { video, stop, canvasOf, onTick, pictureInPicture, toggle } = setUp();
    const stopOther = vi.fn();
    pictureInPicture.follow(canvasOf(stopOther));
    expect(onTick).not.toHaveBeenCalled();
    await toggle();
    pictureInPicture.follow(canvasOf(stopOther));
    expect(stop).toHaveBeenCalledOnce();
    expect(video.srcObject).toMatchObject({ stop: stopOther });
    expect(video.play).toHaveBeenCalledTimes(2);
    expect(onTick).toHaveBeenCalledTimes(2);
    expect(pictureInPicture.active.value).toBe(true);
    video.play.mockReturnValueOnce(Promise.reject(new Error("no more")));
    pictureInPicture.follow(canvasOf(vi.fn()));
    expect(stopOther).toHaveBeenCalledOnce();
    await Promise.resolve();
    await Promise.resolve();
    expect(pictureInPicture.active.value).toBe(false);
    expect(video.srcObject).toBeNull();
  });

  it("notices when the person closes the window", async () => {
    const { video, stop, clock, pictureInPicture, toggle } = setUp();
    await toggle();
    video.leave();
    expect(pictureInPicture.active.value).toBe(false);
    expect(stop).toHaveBeenCalledOnce();
    expect(clock.tick).toBeNull();
    expect(page.exitPictureInPicture).not.toHaveBeenCalled();
  });

  it("ticks only while the page is hidden and gets no frames", async () => {
    const { onTick, clock, toggle, run } = setUp();
    await toggle();
    onTick.mockClear();
    run();
    expect(onTick).not.toHaveBeenCalled();
    clock.hidden = true;
    run();
    expect(onTick).toHaveBeenCalledTimes(10);
    // A burst of late ticks is one.
    clock.tick?.();
    clock.tick?.();
    expect(onTick).toHaveBeenCalledTimes(10);
    // A browser that goes on giving frames.
    for (let i = 0; i < 10; i++) {
      vi.advanceTimersByTime(33);
      for (const frame of frames.splice(0)) frame(performance.now());
      clock.tick?.();
    }
    expect(onTick).toHaveBeenCalledTimes(10);
  });

  it("draws until the first picture is through, then says what went wrong", async () => {
    const { video, onTick, clock, stop, pictureInPicture, toggle, run } = setUp();
    video.play.mockReturnValue(new Promise(() => undefined));
    const opened = toggle();
    onTick.mockClear();
    run();
    expect(onTick.mock.calls.length).toBeGreaterThan(5);
    vi.advanceTimersByTime(5000);
    await expect(opened).rejects.toThrow("no picture came through");
    expect([pictureInPicture.active.value, clock.tick]).toEqual([false, null]);
    expect(stop).toHaveBeenCalledOnce();
  });

  it("passes a refusal on in words", async () => {
    const { video, pictureInPicture, toggle } = setUp();
    video.requestPictureInPicture.mockRejectedValue(new DOMException("", "NotAllowedError"));
    await expect(toggle()).rejects.toThrow(PictureInPictureError);
    await expect(toggle()).rejects.toThrow("Press the button once more");
    expect(pictureInPicture.active.value).toBe(false);
    await expect(setUp({ supported: false }).toggle()).rejects.toThrow("not supported");
  });

  it("does not complain when it is called off", async () => {
    const { video, pictureInPicture, toggle } = setUp();
    let refuse: (reason: unknown) => void = () => undefined;
    video.play.mockReturnValue(new Promise((_, reject) => (refuse = reject)));
    const opened = toggle();
    await toggle();
    refuse(new DOMException("", "AbortError"));
    await opened;
    expect(pictureInPicture.active.value).toBe(false);
  });

  it("ends with its scope", async () => {
    const { scope, stop, clock, pictureInPicture, toggle } = setUp();
    await toggle();
    scope.dispose();
    expect([pictureInPicture.active.value, clock.tick]).toEqual([false, null]);
    expect(stop).toHaveBeenCalledOnce();
    expect(page.exitPictureInPicture).toHaveBeenCalledOnce();
    await toggle();
    expect(pictureInPicture.active.value).toBe(false);
  });
});

it("is not supported without a document", () => {
  vi.unstubAllGlobals();
  expect(browserPictureInPicture().supported).toBe(false);
});
