declare module "@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.worker.js" {
  /** Source of the classic worker script that runs one thread. */
  export const wasmWorkerContents: string;
}
