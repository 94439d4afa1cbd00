/** What the page and the analysis worker say to each other. */
import { BundleError, type Bundle } from "../bundle";
import type { EncodeRequest, EncodeResult } from "./analyzer";
import { BackendError, type Backend } from "./backend";
import { isOutOfMemory } from "./memory";
import { unexpected } from "../unexpected";
import { ToldError } from "../told-error";

export type Request =
  | { readonly kind: "start"; readonly bundleUrl: string; readonly maxThreads?: number }
  | { readonly kind: "peak"; readonly id: number; readonly pcm: Float32Array }
  | ({ readonly kind: "encode"; readonly id: number } & EncodeRequest);

export type Reply =
  | { readonly kind: "progress"; readonly fraction: number; readonly what: string }
  | { readonly kind: "ready"; readonly bundle: Bundle; readonly backend: Backend }
  | { readonly kind: "peak"; readonly id: number; readonly peakDb: number }
  | ({ readonly kind: "encoded"; readonly id: number } & EncodeResult)
  /** `id` null: the start failed. */
  | { readonly kind: "failed"; readonly id: number | null; readonly error: WireError };

/** An error as it crosses from the worker: posting an Error would lose its class. */
export type WireError =
  | {
      readonly name: "BundleError";
      readonly field: string;
      readonly problem: string;
      readonly remedy: string;
    }
  | { readonly name: "BackendError"; readonly attempts: readonly string[] }
  | { readonly name: "AnalysisError"; readonly detail: string };

/** The analysis broke off for want of memory, or for a reason that nobody foresaw. Its worker may be dead. */
export class AnalysisError extends ToldError {
  /** What the browser says; may be empty. */
  readonly detail: string;

  constructor(detail: string) {
    super(
      isOutOfMemory(detail)
        ? "The analysis ran out of memory. Close other tabs, or choose a shorter track."
        : unexpected("The analysis stopped", detail, "Try again."),
    );
    this.name = "AnalysisError";
    this.detail = detail;
  }
}

export function toWire(error: unknown): WireError {
  if (error instanceof BundleError) {
    const { field, problem, remedy } = error;
    return { name: "BundleError", field, problem, remedy };
  }
  if (error instanceof BackendError) return { name: "BackendError", attempts: error.attempts };
  if (error instanceof AnalysisError) return { name: "AnalysisError", detail: error.detail };
  return { name: "AnalysisError", detail: error instanceof Error ? error.message : String(error) };
}

export function fromWire(error: WireError): Error {
  switch (error.name) {
    case "BundleError":
      return new BundleError(error.field, error.problem, error.remedy);
    case "BackendError":
      return new BackendError(error.attempts);
    case "AnalysisError":
      return new AnalysisError(error.detail);
  }
}
