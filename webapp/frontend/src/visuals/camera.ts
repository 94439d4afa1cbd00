/** Half the angle that the picture's height covers, as a tangent: portrait pictures look wider upwards. */
export function halfHeightTangent(aspect: number): number {
  const tangent = Math.tan(0.42);
  return Math.max(tangent, (0.86 * tangent) / aspect);
}
