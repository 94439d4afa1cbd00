/** Milliseconds that the processor spent on it: unlike a clock's, they don't grow with what else the machine does. */
export function cpuMilliseconds(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
