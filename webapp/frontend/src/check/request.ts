/** What the address of the check page asks for. */
import { BACKENDS, type CheckedBackend } from "./report";

const MAX_HOPS = 8;

export interface CheckRequest {
  /** Absolute, as the other addresses. Null: nothing was asked for. */
  readonly bundleUrl: string | null;
  readonly backends: readonly CheckedBackend[];
  /** Those of them whose time is measured by runs of its own. */
  readonly timed: readonly CheckedBackend[];
  readonly audioUrl: string | null;
  readonly reportUrl: string | null;
  /** Steps in seconds at which all encoders are timed besides their own. */
  readonly hops: readonly number[];
}

/**
 * `?bundle=URL&backends=wasm,webgl,webgpu&timed=wasm&audio=URL&report=URL&hops=0.1,0.96`; all but the bundle may be
 * omitted, for all backends, all of them timed.
 *
 * @param href the page's own address, to which the others are relative
 * @throws RangeError that names the value which is none
 */
export function parseRequest(href: string): CheckRequest {
  const { searchParams } = new URL(href);
  const url = (name: string) => {
    const value = searchParams.get(name);
    if (value === null) return null;
    if (!URL.canParse(value, href)) throw new RangeError(`${name}: "${value}" is no address.`);
    return new URL(value, href).href;
  };
  const list = (name: string) => searchParams.get(name)?.split(",").filter(Boolean) ?? [];
  const backendsOf = (parameter: string) => {
    const backends = list(parameter).map((name) => {
      const backend = BACKENDS.find((candidate) => candidate === name);
      if (backend === undefined)
        throw new RangeError(`${parameter}: "${name}" is none of ${BACKENDS.join(", ")}.`);
      return backend;
    });
    return backends.length === 0 ? BACKENDS : [...new Set(backends)];
  };
  const hops = list("hops").map((text) => {
    const seconds = Number(text);
    if (!(seconds > 0 && seconds < Infinity))
      throw new RangeError(`hops: "${text}" must be seconds above 0.`);
    return seconds;
  });
  if (hops.length > MAX_HOPS)
    throw new RangeError(`hops: there are ${hops.length}, at most ${MAX_HOPS} are timed.`);
  return {
    bundleUrl: url("bundle"),
    backends: backendsOf("backends"),
    timed: backendsOf("timed"),
    audioUrl: url("audio"),
    reportUrl: url("report"),
    hops,
  };
}
