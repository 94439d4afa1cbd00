import { Data3DTexture, LinearFilter, RepeatWrapping } from "three";
import type { Random } from "./random";

/** Random numbers along each edge of the block. The noise repeats after as many features. */
export const NOISE_SIZE = 32;

/** A block of random numbers, four in each cell: the raw material of every procedural texture. */
export function createNoiseTexture(random: Random): Data3DTexture {
  const values = Uint8Array.from({ length: 4 * NOISE_SIZE ** 3 }, () => Math.floor(256 * random()));
  const texture = new Data3DTexture(values, NOISE_SIZE, NOISE_SIZE, NOISE_SIZE);
  texture.wrapS = texture.wrapT = texture.wrapR = RepeatWrapping;
  texture.minFilter = texture.magFilter = LinearFilter;
  texture.needsUpdate = true;
  return texture;
}
