import { expect, it } from "vitest";
import { Scope } from "../player/scope";
import { FmaIndexError, type FmaIndex } from "./fma";
import { Library } from "./library";

const index: FmaIndex = { tracks: [], genres: [] };

it("asks the server once, and not before it is wanted", async () => {
  let nAsked = 0;
  const library = new Library(new Scope(), () => {
    nAsked++;
    return Promise.resolve(index);
  });
  expect(library.state.value.kind).toBe("unasked");
  const loading = library.load();
  expect(library.state.value.kind).toBe("loading");
  await Promise.all([loading, library.load()]);
  await library.load();
  expect([library.state.value.kind, nAsked]).toEqual(["ready", 1]);
});

it("knows that there is no FMA", async () => {
  const library = new Library(new Scope(), () => Promise.resolve(null));
  await library.load();
  expect(library.state.value).toEqual({ kind: "none" });
});

it("asks again after a failure", async () => {
  const answers = [Promise.reject(new FmaIndexError("is away")), Promise.resolve(index)];
  const library = new Library(new Scope(), () => answers.shift()!);
  await library.load();
  expect(library.state.value).toEqual({ kind: "failed", why: "The list of FMA tracks is away." });
  await library.load();
  expect(library.state.value.kind).toBe("ready");
});

it("says nothing more once the page is gone", async () => {
  const scope = new Scope();
  const library = new Library(
    scope,
    (signal) => new Promise((_, reject) => (signal.onabort = () => reject(new Error("aborted")))),
  );
  const loading = library.load();
  scope.dispose();
  await loading;
  expect(library.state.value.kind).toBe("loading");
});
