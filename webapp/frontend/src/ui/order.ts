/**
 * Which of a mapping's numbers drives each of a picture's parameters, unless a person says otherwise.
 *
 * What is meant to move takes the numbers with the finest steps, what chooses the look those with the coarsest; their
 * order is kept otherwise. Where the picture has only one kind or all numbers are of one encoder, they stay as they are.
 *
 * @param moves whether each of the picture's parameters is meant to move
 * @param stepSeconds step of the encoder that each number comes from
 * @returns the number's index for each of the picture's parameters
 */
export function defaultOrder(moves: readonly boolean[], stepSeconds: readonly number[]): number[] {
  if (moves.length !== stepSeconds.length) {
    throw new RangeError(`${stepSeconds.length} numbers cannot drive ${moves.length} parameters.`);
  }
  if (new Set(moves).size < 2) return moves.map((_, place) => place);
  const left = stepSeconds.map((step, index) => ({ step, index }));
  return moves.map((moving) => {
    const steps = left.map(({ step }) => step);
    const wanted = moving ? Math.min(...steps) : Math.max(...steps);
    const [taken] = left.splice(steps.indexOf(wanted), 1);
    return taken?.index ?? NaN;
  });
}
