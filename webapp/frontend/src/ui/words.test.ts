/** Every message about a failure: one sentence about what is wrong, one about what to do, nothing inside of anything. */
import { readdirSync, readFileSync } from "node:fs";
import ts from "typescript";
import { expect, it } from "vitest";
import { fromWire, toWire } from "../analysis/messages";
import { AnalysisError, BackendError } from "../analysis/client";
import { DecodeError } from "../analysis/decode";
import { TrackTooShortError } from "../analysis/segments";
import { BundleError } from "../bundle";
import { LiveInputError } from "../live/live-input-error";
import { FetchError } from "./sources";
import { explainLive, explainModel, explainTrack, technicalReason } from "./words";

/** What is wrong with a message, if anything is. What the browser says stands in quotes and is not ours to mend. */
function faultsOf(message: string): string[] {
  const ours = message.replaceAll(/“[^”]*”/g, "“”");
  const faults: string[] = [];
  if (/\([^)]*[(:]/.test(ours)) faults.push("something stands inside of parentheses");
  if ((ours.match(/:\s/g) ?? []).length > 1) faults.push("colons in a chain");
  if ((ours.match(/\)/g) ?? []).length > 1) faults.push("parentheses twice");
  if ((ours.match(/[.!?](?=\s|$)/g) ?? []).length > 2) faults.push("more than two sentences");
  return faults;
}

const sources = readdirSync(new URL("..", import.meta.url), { recursive: true, encoding: "utf8" })
  .filter((path) => /\.tsx?$/.test(path) && !/\.test\.|testing\//.test(path))
  .map((path) => [path, readFileSync(new URL(`../${path}`, import.meta.url), "utf8")] as const);

/** Every text that an expression may come to; what is computed is an X. */
function textsOf(node: ts.Expression): string[] {
  if (ts.isStringLiteralLike(node)) return [node.text];
  if (ts.isTemplateExpression(node)) {
    return [node.head.text + node.templateSpans.map(({ literal }) => `X${literal.text}`).join("")];
  }
  if (ts.isConditionalExpression(node)) return [...textsOf(node.whenTrue), ...textsOf(node.whenFalse)];
  if (ts.isParenthesizedExpression(node)) return textsOf(node.expression);
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken) {
    return textsOf(node.left).flatMap((left) => textsOf(node.right).map((right) => left + right));
  }
  return ["X"];
}

/** Texts that our own error classes are made with, with where that is. */
function thrownTexts(): [where: string, text: string][] {
  const own = new Set(
    sources.flatMap(([, text]) => [...text.matchAll(/class (\w+Error) extends/g)].map(([, name]) => name)),
  );
  const found: [string, string][] = [];
  for (const [path, text] of sources) {
    const file = ts.createSourceFile(
      path,
      text,
      ts.ScriptTarget.Latest,
      true,
      path.endsWith("x") ? ts.ScriptKind.TSX : ts.ScriptKind.TS,
    );
    const visit = (node: ts.Node): void => {
      if (ts.isNewExpression(node) && own.has(node.expression.getText())) {
        const { line } = file.getLineAndCharacterOfPosition(node.getStart());
        for (const argument of node.arguments ?? []) {
          for (const message of textsOf(argument)) {
            if (message.includes(" "))
              found.push([`${path}:${line + 1} ${node.expression.getText()}`, message]);
          }
        }
      }
      ts.forEachChild(node, visit);
    };
    visit(file);
  }
  return found;
}

it("finds what is wrong with messages", () => {
  for (const bad of [
    "It stopped: it did not start (It stopped: X. Load it again). Reload the page.",
    "It stopped (no (more) memory).",
    "One. Two. Three.",
    "A: b: c.",
  ]) {
    expect(faultsOf(bad), bad).not.toEqual([]);
  }
  expect(faultsOf("“a: (b: c). D. E.” is not there (HTTP 404). Try again.")).toEqual([]);
});

it("every text that an error of ours is made with", () => {
  const texts = thrownTexts();
  expect(texts.length).toBeGreaterThan(80);
  expect(
    texts.map(([where, text]) => [where, text, ...faultsOf(text)]).filter(([, , fault]) => fault),
  ).toEqual([]);
});

const nasty = new TypeError(
  "Failed (see: there). The analysis stopped: X (Y: Z). Reload the page to try again.\n at q",
);
const errors = [
  new AnalysisError("Uncaught RangeError: x (y)"),
  new AnalysisError("RangeError: Array buffer allocation failed"),
  new AnalysisError(""),
  new BackendError(["WASM SIMD, threads: 3: off by 0.1 in MFCC (of: 2)", "JavaScript: no"]),
  new BundleError("manifest.json: audio.hop_length", "must be an integer greater than 0"),
  new BundleError(
    "index.json",
    "cannot be fetched from http://127.0.0.1:8000/registry/index.json (HTTP 503)",
  ),
  new DecodeError("memory", "The browser ran out of memory. Close other tabs."),
  new TrackTooShortError(0.3, 1.96),
  new FetchError("“Air”", 503),
  new FetchError("“Air”", null),
  new LiveInputError("busy", "Another program uses the microphone. Close it, then try again."),
  nasty,
  new DOMException("The operation was aborted", "AbortError"),
];

it.each(errors.map((error) => [error.name, error.message, error] as const))(
  "in two sentences, wherever it comes up: %s: %s",
  (_, __, error) => {
    for (const message of [
      explainTrack(error, "Air: live (1999)"),
      explainModel(error),
      explainLive(error),
    ]) {
      expect(faultsOf(message), message).toEqual([]);
      expect(message).toMatch(/^[A-Za-z“].*\.$/);
    }
    // What the worker's errors say crosses to the page as it is, however often.
    const wired = fromWire(toWire(error));
    expect(fromWire(toWire(wired)).message).toBe(wired.message);
    expect(faultsOf(explainModel(wired)), explainModel(wired)).toEqual([]);
  },
);

it("tells those who ask all of it", () => {
  expect(technicalReason(new BackendError(["WASM: off", "JavaScript: no"]))).toBe(
    "BackendError: WASM: off; JavaScript: no",
  );
  expect(technicalReason(new AnalysisError("x"))).toContain("“x”");
  expect(technicalReason("odd")).toBe("odd");
});
