import { afterEach, describe, expect, it, vi } from "vitest";
import { copyText, explainPreset, readPresetFile, speakImported } from "./preset-chooser";
import { MAX_TEXT_LENGTH, PresetError } from "./presets";

afterEach(() => vi.unstubAllGlobals());

describe("copyText", () => {
  it("tells whether the clipboard took it", async () => {
    const writeText = vi.fn(() => Promise.resolve());
    vi.stubGlobal("navigator", { clipboard: { writeText } });
    expect(await copyText("https://x.test/")).toBe(true);
    expect(writeText).toHaveBeenCalledWith("https://x.test/");
    writeText.mockRejectedValue(new DOMException("", "NotAllowedError"));
    expect(await copyText("y")).toBe(false);
    // A page that is not secure has none.
    vi.stubGlobal("navigator", {});
    expect(await copyText("y")).toBe(false);
  });
});

describe("readPresetFile", () => {
  it("reads a file, but none that is too long", async () => {
    expect(await readPresetFile(new File(["{}"], "a.json"))).toBe("{}");
    const long = new File([new Uint8Array(3 * MAX_TEXT_LENGTH + 1)], "a.json");
    await expect(readPresetFile(long)).rejects.toThrow("too long");
  });

  it("says when the file has gone", async () => {
    const gone = {
      size: 1,
      text: () => Promise.reject(new DOMException("", "NotFoundError")),
    } as unknown as File;
    await expect(readPresetFile(gone)).rejects.toThrow(PresetError);
  });
});

it("finds words", () => {
  expect([0, 1, 2].map(speakImported)).toEqual([
    "All of the file’s looks are here already.",
    "1 look is added.",
    "2 looks are added.",
  ]);
  expect(explainPreset(new PresetError("A preset needs a name."))).toBe("A preset needs a name.");
  expect(explainPreset(new TypeError("x is undefined"))).not.toContain("undefined");
});
