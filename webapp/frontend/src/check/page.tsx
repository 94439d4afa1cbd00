/** The report for people: every stage on every backend, and what it costs. */
import type { ComponentChildren } from "preact";
import type { RegistryEntry } from "../bundle";
import type { BackendReport, CheckedBackend, Report } from "./report";

/** Largest difference that each stage may show. */
export interface Limits {
  readonly mfcc: number;
  /** By the encoder's name. */
  readonly encodings: Readonly<Record<string, number>>;
  readonly genres: number;
  readonly parameters: number;
}

export interface View {
  readonly bundleUrl: string | null;
  /** What can be checked, while nothing is. */
  readonly choices: readonly RegistryEntry[];
  readonly asked: readonly CheckedBackend[];
  /** What is being done. */
  readonly doing: string;
  readonly problem: string;
  readonly limits: Limits | null;
  readonly done: readonly BackendReport[];
  readonly report: Report | null;
}

const TITLES: Readonly<Record<CheckedBackend, string>> = {
  wasm: "WebAssembly",
  webgl: "WebGL",
  webgpu: "WebGPU",
};

export function Page({ view }: { readonly view: View }): ComponentChildren {
  const { bundleUrl, choices, asked, doing, problem, limits, done, report } = view;
  return (
    <>
      <h1>Does this browser compute what Python did?</h1>
      {bundleUrl !== null && (
        <p>
          Bundle: <code>{bundleUrl}</code>
        </p>
      )}
      {bundleUrl === null && choices.length > 0 && (
        <nav aria-label="Bundles">
          <p>Choose a bundle:</p>
          <ul>
            {choices.map(({ name, title, latestUrl }) => (
              <li key={name}>
                <a href={`?bundle=${encodeURIComponent(latestUrl)}`}>{title}</a>
              </li>
            ))}
          </ul>
        </nav>
      )}
      <p role="status">{doing}</p>
      {problem !== "" && <p role="alert">{problem}</p>}
      {asked.map((name) => {
        const backend = done.find((candidate) => candidate.name === name);
        return backend && <Backend key={name} backend={backend} limits={limits} />;
      })}
      {report && (
        <details>
          <summary>The same as JSON</summary>
          <pre id="report" tabIndex={0}>
            {JSON.stringify(report, null, 2)}
          </pre>
        </details>
      )}
    </>
  );
}

interface Row {
  readonly stage: string;
  readonly difference: number | null;
  readonly limit: number | null;
}

function rowsOf({ differences }: BackendReport, limits: Limits | null): Row[] {
  if (differences === null) return [];
  const { mfcc, encodings, genres, tags, parameters } = differences;
  const probabilities = { Genres: genres, Tags: tags };
  return [
    { stage: "MFCC", difference: mfcc, limit: limits?.mfcc ?? null },
    ...Object.entries(encodings).map(([name, difference]) => {
      return { stage: `Encodings of ${name}`, difference, limit: limits?.encodings[name] ?? null };
    }),
    ...Object.entries(probabilities).flatMap(([what, named]) =>
      Object.entries(named).map(([name, difference]) => {
        return { stage: `${what} of ${name}`, difference, limit: limits?.genres ?? null };
      }),
    ),
    { stage: "Parameters", difference: parameters, limit: limits?.parameters ?? null },
  ];
}

/** A difference that is no number passes nothing. */
function passes({ difference, limit }: Row): boolean {
  return difference !== null && limit !== null && difference <= limit;
}

function Backend({ backend, limits }: { backend: BackendReport; limits: Limits | null }): ComponentChildren {
  const rows = rowsOf(backend, limits);
  const passed = backend.status === "ok" && rows.every(passes);
  const verdict = backend.status === "unsupported" ? "not here" : passed ? "passed" : "failed";
  const { threads, simd } = backend;
  return (
    <section aria-labelledby={`${backend.name}-title`} data-verdict={verdict}>
      <h2 id={`${backend.name}-title`}>
        {TITLES[backend.name]}: <span class="verdict">{verdict}</span>
      </h2>
      {backend.name === "wasm" && backend.status === "ok" && (
        <p>
          {simd ? "With" : "Without"} SIMD, {threads === 1 ? "one thread" : `${threads} threads`}.
        </p>
      )}
      {backend.reason !== "" && <p>{backend.reason}</p>}
      {rows.length > 0 && (
        <table>
          <caption>Largest difference from Python</caption>
          <thead>
            <tr>
              <th scope="col">Stage</th>
              <th scope="col">Difference</th>
              <th scope="col">Tolerance</th>
              <th scope="col">Result</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.stage}>
                <th scope="row">{row.stage}</th>
                <td>{short(row.difference)}</td>
                <td>{short(row.limit)}</td>
                <td class={passes(row) ? "pass" : "fail"}>{passes(row) ? "pass" : "fail"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {backend.status === "ok" && <Costs backend={backend} />}
    </section>
  );
}

function Costs({ backend }: { backend: BackendReport }): ComponentChildren {
  const ms = (value: number | null) => (value === null ? null : `${value.toFixed(value < 10 ? 1 : 0)} ms`);
  const mb = (value: number | null) => (value === null ? null : `${(value / 1e6).toFixed(2)} MB`);
  const costs: (readonly [string, string | null])[] = [
    ["Download of the bundle", mb(backend.download_bytes)],
    ["Download took", ms(backend.download_ms)],
    ["Loading and self-test", ms(backend.load_ms)],
    ["First result, warm", ms(backend.first_result_ms)],
    ["First result, from nothing", ms(backend.cold_first_result_ms)],
    ["Per second of audio", ms(backend.ms_per_second)],
    ...backend.at_hops.map((hop) => {
      return [`Per second of audio, a step of ${hop.hop_seconds} s`, ms(hop.ms_per_second)] as const;
    }),
    ["Memory in all", mb(backend.peak_bytes)],
    ["of it, the backend", mb(backend.backend_bytes)],
  ];
  return (
    <dl>
      {costs.map(([what, value]) => (
        <div key={what}>
          <dt>{what}</dt>
          <dd>{value ?? "unknown"}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Three digits, and never more characters than a narrow screen has room for. */
function short(value: number | null): string {
  return value === null || !Number.isFinite(value) ? "none" : value.toExponential(1);
}
