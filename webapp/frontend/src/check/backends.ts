/** What the check page can ask for. Never part of the playground or the library: nothing there imports this file. */
import * as tf from "@tensorflow/tfjs-core";
import { UnsupportedError, wasmCandidates, type Candidate } from "../analysis/backend";
import type { CheckedBackend } from "./report";

/** The candidates that stand for a backend: WASM has several variants, of which the playground takes the first good one. */
export function candidatesOf(name: CheckedBackend): readonly Candidate[] {
  switch (name) {
    case "wasm":
      return wasmCandidates();
    case "webgl":
      return [{ name, title: "WebGL", simd: false, activate: startWebgl }];
    case "webgpu":
      return [{ name, title: "WebGPU", simd: false, activate: startWebgpu }];
  }
}

/** Memory of the current backend, null when it does not tell. */
export async function backendBytes(): Promise<number | null> {
  if (tf.getBackend() === "wasm") return (await import("../analysis/wasm")).wasmHeapBytes();
  const memory = tf.memory() as Partial<Record<"numBytesInGPUAllocated" | "numBytesAllocatedInGPU", number>>;
  return memory.numBytesInGPUAllocated ?? memory.numBytesAllocatedInGPU ?? null;
}

async function startWebgl(): Promise<number> {
  await import("@tensorflow/tfjs-backend-webgl");
  const env = tf.env();
  if (env.getNumber("WEBGL_VERSION") === 0) throw new UnsupportedError("the browser gives no WebGL context");
  // Half precision would pass for a wrong model: 11 bits are fewer than the tolerances.
  env.set("WEBGL_FORCE_F16_TEXTURES", false);
  if (!env.getBool("WEBGL_RENDER_FLOAT32_ENABLED")) {
    throw new UnsupportedError("the device has no float32 textures, only half precision");
  }
  return start("webgl");
}

/** As much of WebGPU as is asked for; TypeScript does not know it yet. */
interface Gpu {
  requestAdapter(): Promise<object | null>;
}

async function startWebgpu(): Promise<number> {
  const { gpu } = navigator as { gpu?: Gpu };
  if (gpu === undefined) throw new UnsupportedError("the browser has no WebGPU here");
  if ((await gpu.requestAdapter()) === null)
    throw new UnsupportedError("the browser finds no WebGPU adapter");
  await import("@tensorflow/tfjs-backend-webgpu");
  return start("webgpu");
}

async function start(name: CheckedBackend): Promise<number> {
  // TensorFlow.js would otherwise fall back to whatever else is registered.
  if (!(await tf.setBackend(name)) || tf.getBackend() !== name)
    throw new Error("TensorFlow.js could not start it");
  return 1;
}
