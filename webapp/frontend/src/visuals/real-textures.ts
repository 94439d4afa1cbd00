import { NOISE } from "./shader-chunks";

/** How the stone's texture is stored, for those who read it. */
export const STONE_STORAGE = /* glsl */ `
#define BODY_TONES 0.7
#define SLOPE_RANGE 6.0
`;

/**
 * The sky's structure, without colour: r bright gas, g threads of light, b deep space, a a second gas. The picture
 * mixes four colours by them, so that the background parameters recolour sky and reflections at no cost. Square
 * roots are stored: 8 bits are too coarse for the dark of linear light.
 */
export const SKY_TEXEL = /* glsl */ `${NOISE}
uniform vec3 uOffset;
vec4 texel(vec3 direction) {
  vec3 p = direction * 2.1 + uOffset;
  // Gas is drawn out by its own flow: bend the space of the noise with noise.
  vec3 flow = layers(p * 0.8, 3).xyz;
  vec3 bent = p + 1.3 * flow;
  vec4 cloud = layers(bent, 6);
  // Dust hides what is behind it.
  float clear = mix(0.12, 1.0, smoothstep(-0.30, 0.30, cloud.z));
  float gas = smoothstep(0.38, 1.1, 0.52 + 0.85 * cloud.x) * clear;
  float other = smoothstep(0.4, 1.1, 0.52 + 0.85 * cloud.y) * clear;
  float threads = smoothstep(0.10, 0.85, cloud.w) * (0.10 + gas + other) * clear;
  float depth = 0.55 + 0.45 * clear * (flow.x + flow.y);
  return sqrt(clamp(vec4(gas, threads, depth, other), 0.0, 1.0));
}`;

/** What a surface receives from the whole half of the sky that it faces, weighted by the cosine. Stored like the sky. */
export const IRRADIANCE_TEXEL = /* glsl */ `
uniform samplerCube uSky;
vec4 texel(vec3 direction) {
  const int SAMPLES = 96;
  vec4 sum = vec4(0.0);
  float weight = 0.0;
  for (int i = 0; i < SAMPLES; i++) {
    // Directions spread evenly over the sphere by the golden angle.
    float y = 1.0 - (float(i) + 0.5) * 2.0 / float(SAMPLES);
    float angle = float(i) * 2.3999632;
    vec3 toSky = vec3(sqrt(1.0 - y * y) * vec2(cos(angle), sin(angle)), y).xzy;
    float cosine = max(dot(toSky, direction), 0.0);
    vec4 stored = textureLod(uSky, toSky, 5.0);
    sum += cosine * stored * stored;
    weight += cosine;
  }
  return sqrt(sum / weight);
}`;

/**
 * A stone's surface. rgb: the slope of its height, 0.5 is level. a: its tone, from 0 to BODY_TONES; above that, the
 * share of metal in its veins.
 */
export const STONE_TEXEL = /* glsl */ `${NOISE}${STONE_STORAGE}
uniform vec3 uOffset;

// A line of a width in texels along the zeros of a value. Its slope tells how far away they are.
float line(float value, float width) {
  float distance = abs(value) / (length(vec2(dFdx(value), dFdy(value))) + 1e-6);
  return 1.0 - smoothstep(0.5 * width - 1.0, 0.5 * width + 1.0, distance + max(1.5 - width, 0.0));
}

// x: tone, y: metal, z: height
vec3 stone(vec3 p, vec3 flow) {
  vec4 fine = layers(p * 1.3 + 0.9 * flow, 4);
  // Strata, bent by slow noise like marble under pressure.
  float bands = sin(5.0 * (p.y + 1.2 * flow.x) + 3.0 * flow.y + 2.5 * fine.y);
  float tone = clamp(0.5 + 0.30 * bands + 0.65 * fine.x, 0.0, 1.0);
  // Cracks filled with metal, where a noise crosses zero. They thin out and end.
  vec3 q = p * 1.05 + 0.5 * flow + 0.2 * fine.yzx;
  float width = 3.4 + 7.0 * fine.z;
  float metal = line(noise(q).w, width);
  metal = max(metal, line(noise(q * 1.9 + 9.0).w, 0.7 * width - 1.2));
  return vec3(tone, metal, 0.10 * tone + 0.06 * fine.z + 0.05 * metal);
}

vec4 texel(vec3 direction) {
  const float STEP = 0.02; // no finer: texture units interpolate in small steps
  vec3 p = direction * 1.2 + uOffset;
  vec3 flow = layers(p, 3).xyz; // slow enough to be the same one step aside
  vec3 here = stone(p, flow);
  vec3 slope = vec3(
    stone(p + vec3(STEP, 0.0, 0.0), flow).z - here.z,
    stone(p + vec3(0.0, STEP, 0.0), flow).z - here.z,
    stone(p + vec3(0.0, 0.0, STEP), flow).z - here.z) / STEP;
  return vec4(clamp(0.5 + slope / SLOPE_RANGE, 0.0, 1.0), mix(BODY_TONES * here.x, 1.0, here.y));
}`;
