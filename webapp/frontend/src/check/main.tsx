/**
 * The check page: a bundle on every backend that is asked for, one after the other, each in a worker of its own, as
 * backends are global to TensorFlow.js. Opened by people, by `tfdeepviz validate` and by benchmarks/browser.mjs.
 */
import { render } from "preact";
import { decodeTrack } from "../analysis/decode";
import { allowedErrors, loadGoldens } from "../analysis/self-test";
import { loadBundle, loadRegistry } from "../bundle";
import { Page, type Limits, type View } from "./page";
import { nothing, type BackendReport, type CheckedBackend, type Measured, type Report } from "./report";
import { parseRequest, type CheckRequest } from "./request";
import type { Reply, Request } from "./worker";
import "../ui/styles/tokens.css";
import "./check.css";

let view: View = {
  bundleUrl: null,
  choices: [],
  asked: [],
  doing: "",
  problem: "",
  limits: null,
  done: [],
  report: null,
};

function show(change: Partial<View>): void {
  view = { ...view, ...change };
  const root = document.getElementById("check");
  if (root) render(<Page view={view} />, root);
}

async function main(): Promise<void> {
  const request = parseRequest(location.href);
  const { bundleUrl, backends } = request;
  if (bundleUrl === null) {
    show({ choices: (await loadRegistry(new URL("../registry/", document.baseURI).href)).bundles });
    return;
  }
  show({ bundleUrl, asked: backends });
  let bundle = bundleUrl;
  const done: BackendReport[] = [];
  let audioSeconds: number | null = null;
  for (const name of backends) {
    const { audio_seconds, ...backend } = await check(name, bundleUrl, request);
    audioSeconds ??= audio_seconds;
    done.push(backend);
    if (view.limits === null) {
      // Only now: whoever asks for it first has it downloaded, and that was to be measured.
      const known = await describe(bundleUrl).catch(() => null); // the backends' own reports say what is wrong with it
      bundle = known?.label ?? bundle;
      show({ limits: known?.limits ?? null });
    }
    show({ done: [...done] });
  }
  const report: Report = {
    user_agent: navigator.userAgent,
    cores: navigator.hardwareConcurrency,
    isolated: crossOriginIsolated,
    bundle,
    audio_seconds: audioSeconds,
    backends: done,
  };
  show({ doing: "Done.", report });
  if (request.reportUrl !== null) await send(report, request.reportUrl);
}

/** Measure one backend. */
async function check(name: CheckedBackend, bundleUrl: string, request: CheckRequest): Promise<Measured> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const tell = (message: Request) => worker.postMessage(message);
  try {
    return await new Promise<Measured>((resolve) => {
      const fail = (problem: string) => resolve(nothing(name, "failed", problem));
      worker.onerror = (event) => fail(event.message || "its worker could not be loaded");
      worker.onmessage = ({ data }: MessageEvent<Reply>) => {
        if (data.kind === "progress") show({ doing: `${name}: ${data.what} ...` });
        else if (data.kind === "measured") resolve(data.measured);
        else answer(data, request).then(tell, (error: unknown) => fail(String(error)));
      };
      const isTimed = request.timed.includes(name);
      tell({ kind: "measure", bundleUrl, backend: name, isTimed, hops: request.hops });
    });
  } finally {
    worker.terminate();
  }
}

/** What only the page can do for its worker. */
async function answer(
  question: Extract<Reply, { kind: "track" | "memory" }>,
  { audioUrl }: CheckRequest,
): Promise<Request> {
  return question.kind === "track"
    ? { kind: "track", pcm: await decode(audioUrl, question.sampleRateHz) }
    : { kind: "memory", bytes: await pageBytes() };
}

async function decode(url: string | null, sampleRateHz: number): Promise<Float32Array | null> {
  if (url === null) return null;
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`);
  return (await decodeTrack(await response.arrayBuffer(), { sampleRateHz })).pcm.samples;
}

/** What no standard has (yet). */
interface MeasuringPerformance extends Performance {
  /** Page and workers, where the page is isolated. Waits for the next garbage collection. */
  measureUserAgentSpecificMemory?(): Promise<{ readonly bytes: number }>;
  /** JavaScript only, and Chromium only. */
  readonly memory?: { readonly usedJSHeapSize: number };
}

async function pageBytes(): Promise<number | null> {
  const measuring = performance as MeasuringPerformance;
  if (crossOriginIsolated && measuring.measureUserAgentSpecificMemory) {
    return (await measuring.measureUserAgentSpecificMemory()).bytes;
  }
  return measuring.memory?.usedJSHeapSize ?? null;
}

/** What people call the bundle, and what it allows. */
async function describe(bundleUrl: string): Promise<{ label: string; limits: Limits }> {
  const bundle = await loadBundle(bundleUrl);
  const encodings = allowedErrors(bundle, await loadGoldens(bundle));
  const { mfcc, genres, parameters } = bundle.goldens.tolerance;
  const label = bundle.version === null ? bundle.name : `${bundle.name}/${bundle.version}`;
  return { label, limits: { mfcc, encodings, genres, parameters } };
}

async function send(report: Report, url: string): Promise<void> {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(report) });
  if (!response.ok) throw new Error(`The report could not be sent to ${url}: HTTP ${response.status}.`);
}

main()
  .catch((error: unknown) =>
    show({ problem: error instanceof Error ? error.message : String(error), doing: "" }),
  )
  .finally(() => (document.documentElement.dataset.state = "done"));
