/** What engines and Emscripten say when memory cannot be had; no error class stands for it. */
const OUT_OF_MEMORY =
  /\ballocat|allocation (failed|size)|out of memory|memory size exceeded|enlarge memory|\bOOM\b|array (buffer )?length/i;

/** Whether an error, or what a worker says of one, means that there is not enough memory. */
export function isOutOfMemory(error: unknown): boolean {
  return OUT_OF_MEMORY.test(error instanceof Error ? error.message : String(error));
}
