import { afterEach, describe, expect, it, vi } from "vitest";
import { captureMicrophone, captureTab, microphoneObstacle, tabObstacle } from "./capture";

const sharing = {
  getDisplayMedia: vi.fn(),
  getSupportedConstraints: () => ({ suppressLocalAudioPlayback: true }),
};
const recording = { getUserMedia: vi.fn(), getSupportedConstraints: () => ({}) };

function browser({ secure = true, media }: { secure?: boolean; media?: object | undefined }): void {
  vi.stubGlobal("isSecureContext", secure);
  vi.stubGlobal("navigator", { mediaDevices: media });
  if (secure) vi.stubGlobal("AudioWorkletNode", vi.fn());
}

afterEach(() => vi.unstubAllGlobals());

describe("what stands in the way of live sound", () => {
  it("is nothing in a browser that can do both", () => {
    browser({ media: { ...recording, ...sharing } });
    expect([microphoneObstacle(), tabObstacle()]).toEqual([null, null]);
  });

  it("is an address that is not secure: the browser takes the devices away", async () => {
    browser({ secure: false });
    expect(microphoneObstacle()?.message).toBe("Microphone access needs HTTPS or localhost.");
    expect(tabObstacle()?.message).toBe("Tab audio needs HTTPS or localhost.");
    await expect(captureMicrophone(44100)).rejects.toMatchObject({ reason: "insecure" });
    await expect(captureTab(44100)).rejects.toMatchObject({ reason: "insecure" });
  });

  it("is a browser without tab audio", () => {
    browser({ media: recording });
    expect(microphoneObstacle()).toBeNull();
    expect(tabObstacle()?.reason).toBe("unsupported");
    browser({ media: { ...sharing, ...recording } }); // shares pictures only
    expect(tabObstacle()?.reason).toBe("unsupported");
  });

  it("is a browser without devices", () => {
    browser({ media: undefined });
    expect(microphoneObstacle()).toMatchObject({ reason: "unsupported" });
    expect(tabObstacle()).toMatchObject({ reason: "unsupported" });
  });
});
