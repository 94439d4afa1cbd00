import { NOISE_SIZE } from "./noise-texture";

/** Pieces of GLSL that several shaders share. */

export const HEADER = /* glsl */ `
precision highp float;
precision highp int;
`;

/** The last steps on the way to the screen: linear light in, sRGB out. */
export const DEVELOP = /* glsl */ `
// Rolls highlights off like film does: never clips, and very bright colours move towards white.
vec3 toneMap(vec3 light) {
  vec3 film = 1.0 - exp(-light);
  return mix(film, film * film * (3.0 - 2.0 * film), 0.35); // a little contrast
}

vec3 encodeSrgb(vec3 linear) {
  return mix(1.055 * pow(linear, vec3(1.0 / 2.4)) - 0.055, linear * 12.92, lessThanEqual(linear, vec3(0.0031308)));
}

`;

/** For fragment shaders that draw on the canvas. */
export const DITHER = /* glsl */ `
// Half a step of noise, fixed to the pixel, hides the steps between 8-bit colours in slow gradients. The multiples of
// 1/p and 1/p^2 (p: the plastic number, p^3 = p + 1) fill the interval more evenly than random numbers would.
vec3 dither(vec3 encoded) {
  float noise = fract(dot(gl_FragCoord.xy, vec2(0.75487767, 0.56984029)));
  return encoded + (noise - 0.5) / 255.0;
}
`;

/**
 * Noise in three dimensions, read from a small block of random numbers (noise-texture.ts). Four independent values at
 * a time cost one texture access, which is what makes it fast on computers without a GPU, too.
 */
export const NOISE = /* glsl */ `
precision highp sampler3D;
uniform sampler3D uNoise;

// Each value about [-1, 1], with features of size 1.
vec4 noise(vec3 p) {
  vec3 cell = floor(p);
  vec3 f = p - cell;
  // The texture unit interpolates linearly; bending the position rounds that off.
  f = f * f * f * (f * (f * 6.0 - 15.0) + 10.0);
  return textureLod(uNoise, (cell + f + 0.5) / NOISE_SIZE, 0.0) * 2.0 - 1.0;
}

// Turned between octaves so that no direction of the block shows.
const mat3 TURN = mat3(0.36, 0.48, -0.8, -0.8, 0.6, 0.0, 0.48, 0.64, 0.6);

// Noise upon finer noise. x, y, z: like clouds. w: crests where the noise crosses zero, [0, 1], like threads or veins.
vec4 layers(vec3 p, int octaves) {
  vec4 sum = vec4(0.0);
  float amplitude = 0.5;
  float carry = 1.0;
  for (int octave = 0; octave < octaves; octave++) {
    vec4 n = noise(p);
    float crest = 1.0 - abs(n.w);
    crest *= crest;
    crest *= crest * carry;
    carry = min(crest * 2.0, 1.0); // fine crests only along coarse ones
    sum += amplitude * vec4(n.xyz, crest);
    amplitude *= 0.5;
    p = TURN * p * 2.03;
  }
  return sum;
}
`.replace("NOISE_SIZE", NOISE_SIZE.toFixed(1));
