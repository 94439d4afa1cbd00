/** What drives one of a visual's parameters. */
export interface Wire {
  /** Which of the model's numbers is led here; led on while the parameter is held, too. */
  readonly source: number;
  /** Upside down: the picture does less where the number is greater. */
  readonly inverted: boolean;
  /** In [0, 1]: the parameter stands here whatever the music does. Null: the number drives it. */
  readonly held: number | null;
}

/** Numbers led straight to parameters, in that order. */
export function wiresFor(order: readonly number[]): readonly Wire[] {
  return order.map((source) => ({ source, inverted: false, held: null }));
}

/**
 * The number that drives parameter `from` goes to parameter `to`; those between move up. What is set at a parameter,
 * whether it is upside down or held, stays with the parameter.
 */
export function moveSource(wires: readonly Wire[], from: number, to: number): readonly Wire[] {
  const sources = wires.map(({ source }) => source);
  const [source] = sources.splice(from, 1);
  if (source !== undefined) sources.splice(Math.min(Math.max(to, 0), sources.length), 0, source);
  return wires.map((wire, i) => ({ ...wire, source: sources[i] ?? wire.source }));
}

/**
 * Turn and hold values that already stand in the order of the wires.
 *
 * @param parameters in [0, 1], changed in place
 * @param travel their integrals over `musicSeconds`, changed in place
 */
export function applyWires(
  wires: readonly Wire[],
  parameters: Float32Array,
  travel: Float32Array,
  musicSeconds: number,
): void {
  wires.forEach(({ inverted, held }, i) => {
    if (held !== null) {
      parameters[i] = held;
      travel[i] = held * musicSeconds;
    } else if (inverted) {
      parameters[i] = 1 - (parameters[i] ?? 0);
      travel[i] = musicSeconds - (travel[i] ?? 0);
    }
  });
}
