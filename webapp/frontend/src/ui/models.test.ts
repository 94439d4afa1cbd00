import { describe, expect, it, vi } from "vitest";
import { AnalysisError } from "../analysis/client";
import { Scope } from "../player/scope";
import type { Analyst } from "./engine";
import { Models } from "./models";
import { Notices } from "./notices";

interface Start {
  readonly name: string;
  readonly signal: AbortSignal;
  readonly analyst: Analyst;
  readonly succeed: () => void;
  readonly fail: (error: Error) => void;
}

/** Models whose starts are answered by hand. */
function setUp() {
  const starts: Start[] = [];
  const takenOver: string[] = [];
  const notices = new Notices();
  const entry = (name: string) => ({
    name,
    title: name,
    versions: [1],
    latest: 1,
    latestUrl: `http://x/${name}/1/`,
  });
  const models = new Models(new Scope(), {
    notices,
    services: {
      loadRegistry: () => Promise.resolve({ url: "http://x/", bundles: ["a", "b", "c"].map(entry) }),
      startAnalyst: (url, _, signal) =>
        new Promise((resolve, reject) => {
          const name = url.split("/")[3] ?? "";
          const analyst = {
            bundle: { name, mappings: { nParameters: 10 } },
            dispose: vi.fn(),
          } as unknown as Analyst;
          starts.push({ name, signal, analyst, succeed: () => resolve(analyst), fail: reject });
        }),
    },
    prepare: (analyst) => Promise.resolve(() => void takenOver.push(analyst.bundle.name)),
  });
  return { models, notices, starts, takenOver };
}

const settle = () => new Promise((resolve) => setTimeout(resolve));

async function listening() {
  const parts = setUp();
  void parts.models.start(null);
  await settle();
  parts.starts[0]!.succeed();
  await settle();
  return parts;
}

describe("models", () => {
  it("say which one listens when the last of several fails", async () => {
    const { models, notices, starts } = await listening();
    void models.choose("b");
    void models.choose("c");
    expect(models.name.value).toBe("c");
    starts[2]!.fail(new Error("broken"));
    await settle();
    expect(models.name.value).toBe("a");
    expect(models.analyst.value).toBe(starts[0]!.analyst);
    expect(models.state.value).toEqual({ kind: "ready", analyst: starts[0]!.analyst });
    expect(notices.list.value[0]?.text).toContain("The previous model keeps listening.");
    notices.list.value[0]?.action?.run();
    expect(starts[3]?.name).toBe("c");
  });

  it("abort a start that is superseded, and put away what comes of it", async () => {
    const { models, notices, starts, takenOver } = await listening();
    void models.choose("b");
    expect(starts[1]!.signal.aborted).toBe(false);
    void models.choose("c");
    expect(starts[1]!.signal.aborted).toBe(true);
    starts[1]!.succeed();
    starts[2]!.succeed();
    await settle();
    expect(starts[1]!.analyst.dispose).toHaveBeenCalled();
    expect(starts[0]!.analyst.dispose).toHaveBeenCalled();
    expect(takenOver).toEqual(["a", "c"]);
    expect(models.name.value).toBe("c");
    expect(notices.list.value).toEqual([]);
  });

  it("go back to the one that listens without starting it again", async () => {
    const { models, starts } = await listening();
    void models.choose("b");
    void models.choose("a");
    expect(starts).toHaveLength(2);
    expect(starts[1]!.signal.aborted).toBe(true);
    expect(models.state.value.kind).toBe("ready");
    expect(models.name.value).toBe("a");
  });

  it("start a model anew whose worker has died, by its name or from the notice", async () => {
    const { models, notices, starts } = await listening();
    models.lose(starts[0]!.analyst, new AnalysisError("gone"));
    expect(starts[0]!.analyst.dispose).toHaveBeenCalled();
    expect(models.state.value.kind).toBe("missing");
    expect(models.name.value).toBeNull();
    expect(notices.list.value[0]?.text).toContain("the picture will not react");
    notices.clear(); // as every track does that is opened
    expect(notices.list.value[0]?.action?.label).toBe("Try again");
    void models.choose("a");
    expect(notices.list.value).toEqual([]);
    starts[1]!.succeed();
    await settle();
    expect(models.analyst.value).toBe(starts[1]!.analyst);

    models.lose(starts[0]!.analyst, new AnalysisError("late")); // of one that is gone already
    expect(models.analyst.value).toBe(starts[1]!.analyst);
    models.lose(starts[1]!.analyst, new AnalysisError("gone"));
    notices.list.value.at(-1)?.action?.run();
    expect(starts[2]?.name).toBe("a");
  });

  it("lose one while another one is on its way", async () => {
    const { models, notices, starts } = await listening();
    void models.choose("b");
    models.lose(starts[0]!.analyst, new AnalysisError("gone"));
    expect(models.state.value.kind).toBe("starting");
    expect(notices.list.value).toEqual([]);
    starts[1]!.succeed();
    await settle();
    expect(models.name.value).toBe("b");
  });

  it("say only what holds now when one after the other fails", async () => {
    const { models, notices, starts } = await listening();
    for (const name of ["b", "c"]) {
      void models.choose(name);
      starts.at(-1)!.fail(new Error(name));
      await settle();
    }
    expect(notices.list.value).toHaveLength(1);
    expect(notices.list.value[0]?.text).toContain("“c”");
    models.lose(starts[0]!.analyst, new AnalysisError("gone"));
    expect(notices.list.value).toHaveLength(1);
    expect(notices.list.value[0]?.text).not.toContain("keeps listening");
  });
});
