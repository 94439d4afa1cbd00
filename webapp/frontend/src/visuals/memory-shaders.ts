import { BEAT_STEPS } from "./memory-map";
import { MOMENTS } from "./memory-moments";
import { DEVELOP, DITHER, HEADER, NOISE } from "./shader-chunks";

/** Pieces of path between one moment and the next, and of a thread. */
export const PATH_PIECES = 4;
export const THREAD_PIECES = 20;

/** Moments that stand for the whole song. */
export const LANDMARKS = 9;

/** Of half the angle that a landscape picture covers upwards. */
export const LANDSCAPE_TANGENT = 0.4;

/** Colours in OKLCH (https://bottosson.github.io/posts/oklab/), as linear light. */
const COLOR = /* glsl */ `
vec3 oklch(float lightness, float chroma, float hue) {
  float a = chroma * cos(6.2831853 * hue);
  float b = chroma * sin(6.2831853 * hue);
  vec3 lms = vec3(lightness) + vec3(0.3963377774, -0.1055613458, -0.0894841775) * a
    + vec3(0.2158037573, -0.0638541728, -1.291485548) * b;
  lms *= lms * lms;
  return max(vec3(
    dot(vec3(4.0767416621, -3.3077115913, 0.2309699292), lms),
    dot(vec3(-1.2684380046, 2.6097574011, -0.3413193965), lms),
    dot(vec3(-0.0041960863, -0.7034186147, 1.707614701), lms)), 0.0);
}

uniform float uHue; // the seed's

// A song's hues spread about its own, and never go all the way around.
float hueOf(float relative) {
  float hue = uHue + 0.20 * relative / (1.0 + 0.38 * abs(relative));
  // Dark yellows look like mud: the way from amber to teal is short.
  return hue + 0.11 * sin(6.2831853 * (hue - 0.325));
}
`;

/** The space of moments, seen by a camera that is described by three axes. */
const SPACE = /* glsl */ `
#define MOMENTS ${MOMENTS}
precision highp sampler2D;
uniform sampler2D uMoments; // row 0: place, presence. Row 1: hue, likeness, strength, age. Row 2: beat
uniform int uCount;         // moments, the present included
uniform float uNow;         // the song's age in musical seconds
uniform float uRipple;      // of the path near its head
uniform vec3 uCamera;
uniform vec3 uRight;
uniform vec3 uUp;
uniform vec3 uForward;
uniform vec2 uTangent;      // of half the angle that the picture covers
uniform float uDistance;    // from the camera to the middle
uniform float uPixel;       // its size on the picture, whose height is 2

int within(int i) {
  return clamp(i, 0, uCount - 1);
}

vec3 placeOf(int i) {
  return texelFetch(uMoments, ivec2(within(i), 0), 0).xyz;
}

vec4 lookOf(int i) {
  return texelFetch(uMoments, ivec2(within(i), 1), 0);
}

float presenceOf(int i) {
  return texelFetch(uMoments, ivec2(i, 0), 0).w;
}

float beatOf(int i) {
  return texelFetch(uMoments, ivec2(within(i), 2), 0).x;
}

// A smooth curve through four points, between the two in the middle.
vec3 curve(vec3 a, vec3 b, vec3 c, vec3 d, float t) {
  return b + 0.5 * t * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a)));
}

vec4 project(vec3 p) {
  vec3 seen = p - uCamera;
  float depth = dot(seen, uForward);
  return vec4(dot(seen, uRight) / uTangent.x, dot(seen, uUp) / uTangent.y, 0.0, max(depth, 0.05));
}

// Sizes are given for what is in the middle of a landscape picture.
float enlarged(float depth) {
  return uDistance / depth * ${LANDSCAPE_TANGENT.toFixed(2)} / uTangent.y;
}

// What is far away fades into the mist of space.
float clearness(float depth) {
  return exp(-0.55 * max(depth - uDistance + 0.6, 0.0)) * smoothstep(0.3, 1.6, depth);
}

vec4 outOfSight() {
  return vec4(2.0, 2.0, 2.0, 1.0);
}

// Light laid over light, as a photograph takes it: never more than white.
vec4 screen(vec3 light) {
  vec3 encoded = encodeSrgb(toneMap(light));
  return vec4(encoded, max(encoded.r, max(encoded.g, encoded.b)) * 0.92);
}
`;

/** Space itself: gas in the colours of the song, brighter around the present. Soft, so drawn small and enlarged. */
export const SPACE_SHADER = /* glsl */ `${HEADER}${DEVELOP}${NOISE}${COLOR}${SPACE}
#define LANDMARKS ${LANDMARKS}
#define BEAT_STEPS ${BEAT_STEPS}
in vec2 vClip;
out vec4 outColor;
uniform vec2 uHead;     // on the picture
uniform float uAspect;
uniform float uHueNow;  // relative
uniform float uHueSong;
uniform float uGlow;
uniform float uPulse;
uniform vec3 uOffset;
uniform float uLandmarks[LANDMARKS]; // numbers of moments, with fractions
uniform float uBeats[BEAT_STEPS];    // the pulse that has come so many steps from the present

float beatAt(float far) {
  float steps = min(far, float(BEAT_STEPS) - 1.001);
  int whole = int(steps);
  return mix(uBeats[whole], uBeats[whole + 1], steps - float(whole));
}

// What has been lights the gas around it: a few times, evenly spread over the song, stand for all.
vec3 glowOfThePast(float thick) {
  vec3 light = vec3(0.0);
  for (int k = 0; k < LANDMARKS; k++) {
    float at = uLandmarks[k];
    int i = int(at);
    int next = i + 1;
    vec4 seen = project(mix(placeOf(i), placeOf(next), at - float(i)));
    vec2 away = (vClip - seen.xy / seen.w) * vec2(uAspect, 1.0);
    vec4 look = mix(lookOf(i), lookOf(next), at - float(i));
    float size = 0.42 * enlarged(seen.w);
    light += oklch(0.56, 0.12, hueOf(look.x)) * exp(-dot(away, away) / (size * size)) * (0.10 + 0.16 * look.y + 0.12 * beatOf(i));
  }
  return light * thick;
}

void main() {
  vec3 ray = normalize(uForward + vClip.x * uTangent.x * uRight + vClip.y * uTangent.y * uUp);
  vec3 p = ray * 1.7 + uOffset;
  vec4 flow = layers(p * 0.9 + vec3(0.0, 0.45 * uNow, 0.0), 2);
  vec4 gas = layers(p + 0.9 * flow.xyz + vec3(0.63, 0.38, -0.51) * uNow, 4);
  vec2 away = (vClip - uHead) * vec2(uAspect, 1.0);
  float beat = beatAt(1.2 * length(away));
  float near = exp(-dot(away, away) * 1.1);
  float close = exp(-dot(away, away) * 7.0);

  float bright = smoothstep(-0.35, 0.75, gas.x + 0.35 * flow.y);
  float other = smoothstep(-0.25, 0.8, gas.y - 0.3 * flow.x);
  float threads = smoothstep(0.25, 0.9, gas.w);
  float here = hueOf(uHueNow);
  float song = hueOf(uHueSong) + 0.25 * beat; // a beat turns the hue
  vec3 light = oklch(0.155, 0.05, song + 0.06);
  light += oklch(0.53, 0.13, song - 0.03) * bright * bright * (0.7 + 0.4 * near);
  light += oklch(0.52, 0.14, song + 0.16) * other * other * (0.8 + 0.2 * near);
  light += oklch(0.55, 0.11, here) * threads * (0.12 + (0.25 + 0.9 * uGlow) * near * (0.3 + bright));
  // The present lights the gas around it.
  light += oklch(0.62, 0.13, here) * (near * 0.10 + close * 0.28) * (0.25 + 1.35 * uGlow) * (0.45 + 0.85 * bright);
  light += oklch(0.7, 0.10, here + 0.05) * close * close * uPulse * 0.22;
  // The beat runs outwards through the gas.
  light += oklch(0.6, 0.14, here - 0.06) * beat * (0.03 + 0.35 * bright * bright + 0.3 * threads) * (0.55 + 0.2 * near);
  light += glowOfThePast(0.35 + 0.9 * bright + 0.5 * threads);
  vec2 corner = vClip * vec2(0.75, 0.7);
  light *= 1.0 - 0.55 * smoothstep(0.25, 1.05, dot(corner, corner));
  light /= 1.0 + 0.75 * beat; // the eye narrows
  outColor = vec4(encodeSrgb(toneMap(light * 1.8)), 1.0);
}`;

/** Space enlarged, and stars far behind. */
export const BACKDROP_SHADER = /* glsl */ `${HEADER}${DITHER}
in vec2 vClip;
out vec4 outColor;
uniform sampler2D uSpace;
uniform vec2 uTangent;
uniform vec3 uRight;
uniform vec3 uUp;
uniform vec3 uForward;
uniform float uPixel;

float stars(vec3 ray, float cells) {
  vec3 a = abs(ray);
  float most = max(a.x, max(a.y, a.z));
  vec3 side = step(vec3(most), a) * sign(ray);
  vec2 place = cells / most * (abs(side.x) > 0.5 ? ray.yz : abs(side.y) > 0.5 ? ray.zx : ray.xy);
  vec2 cell = floor(place);
  ivec3 number = ivec3(cell, dot(side, vec3(1.0, 2.0, 3.0)) + 3.5);
  uint bits = uint(number.x * 131 + number.y) * 8u + uint(number.z) + uint(cells);
  bits = (bits ^ (bits >> 15)) * 0x846ca68bu;
  bits = (bits ^ (bits >> 14)) * 0x7feb352du;
  bits ^= bits >> 15;
  vec3 random = vec3(uvec3(bits, bits >> 8, bits >> 16) & 255u) / 255.0;
  vec2 off = (place - cell - 0.25 - 0.5 * random.xy) * (most / cells);
  float size = max(0.0012, 0.35 * uPixel);
  float bright = random.z * random.z * random.z;
  bright *= bright;
  return bright * exp(-dot(off, off) / (size * size)) * (0.0012 * 0.0012) / (size * size);
}

void main() {
  vec3 encoded = texture(uSpace, vClip * 0.5 + 0.5).rgb;
  vec3 ray = normalize(uForward + vClip.x * uTangent.x * uRight + vClip.y * uTangent.y * uUp);
  encoded += vec3(0.75, 0.82, 0.9) * stars(ray, 34.0);
  outColor = vec4(dither(encoded), 1.0);
}`;

/** The path through all moments in order of time. */
export const PATH_VERTEX_SHADER = /* glsl */ `${HEADER}${DEVELOP}${COLOR}${SPACE}
#define PIECES ${PATH_PIECES}.0
in vec3 position; // x: along, in pieces; y: side
out float vAcross;
flat out vec3 vFlat;
out vec3 vLight;
void main() {
  int i = gl_InstanceID;
  gl_Position = outOfSight();
  vAcross = 0.0;
  vLight = vec3(0.0);
  vFlat = vec3(0.0);
  if (i >= uCount - 1) return;
  vec3 a = placeOf(i - 1);
  vec3 b = placeOf(i);
  vec3 c = placeOf(i + 1);
  vec3 d = placeOf(i + 2);
  float t = position.x / PIECES;
  vec4 here = project(curve(a, b, c, d, t));
  vec4 ahead = project(curve(a, b, c, d, t + 0.04));
  vec2 aspect = vec2(uTangent.x / uTangent.y, 1.0);
  vec2 along = (ahead.xy / ahead.w - here.xy / here.w) * aspect;
  along = along / max(length(along), 1e-5);
  vec4 look = mix(lookOf(i), lookOf(i + 1), t);
  float clear = clearness(here.w);
  float fresh = exp(-look.w * 0.35);
  float width = (0.0075 + 0.010 * fresh + 0.006 * look.y) * enlarged(here.w);
  float wide = max(width, 2.2 * uPixel);
  here.xy += vec2(-along.y, along.x) / aspect * position.y * wide * here.w;
  vAcross = position.y;
  float bright = 0.10 + 0.55 * fresh + 0.34 * look.y + 0.2 * mix(beatOf(i), beatOf(i + 1), t);
  vLight = oklch(0.74, 0.12, hueOf(look.x)) * bright * clear * (width / wide);
  gl_Position = here;
}`;

export const PATH_SHADER = /* glsl */ `${HEADER}${DEVELOP}${COLOR}${SPACE}
in float vAcross;
in vec3 vLight;
out vec4 outColor;
void main() {
  float near = max(1.0 - vAcross * vAcross, 0.0);
  float core = near * near * near * near;
  outColor = screen(vLight * (core * core * 0.9 + near * near * 0.35));
}`;

/**
 * A curtain of light that stands on the path, as high as the music was strong; its folds stay with their moments. Where
 * the song remembers, it lights up.
 */
export const VEIL_VERTEX_SHADER = /* glsl */ `${HEADER}${DEVELOP}${COLOR}${SPACE}
#define PIECES ${PATH_PIECES}.0
in vec3 position; // x: along, in pieces; y: -1 on the path, 1 at the curtain's upper edge
uniform float uFlare;
uniform float uGlow;
out vec2 vVeil; // seconds since the song began, height
out vec3 vLow;
out vec3 vHigh;
void main() {
  int i = gl_InstanceID;
  gl_Position = outOfSight();
  vVeil = vec2(0.0);
  vLow = vHigh = vec3(0.0);
  if (i >= uCount - 1) return;
  vec3 a = placeOf(i - 1);
  vec3 b = placeOf(i);
  vec3 c = placeOf(i + 1);
  vec3 d = placeOf(i + 2);
  float t = position.x / PIECES;
  float up = position.y * 0.5 + 0.5;
  vec4 look = mix(lookOf(i), lookOf(i + 1), t);
  float strength = look.z;
  float beat = mix(beatOf(i), beatOf(i + 1), t);
  float flare = look.y * uFlare;
  float fresh = exp(-look.w * 0.30);
  vec3 p = curve(a, b, c, d, t);
  p.y += up * (0.14 + 0.80 * strength * strength + 0.25 * flare + 0.10 * fresh + 0.5 * beat);
  vec4 here = project(p);
  // Where the path hardly moves, curtains stand close together, and each is thinner.
  float own = mix(0.12, 1.0, smoothstep(0.0, 0.12, distance(b, c)));
  float bright = (0.85 + 0.7 * fresh + 1.6 * flare) * own * clearness(here.w) * (0.7 + 0.5 * uGlow)
    * smoothstep(0.0, 1.5, uNow - look.w);
  float hue = hueOf(look.x);
  vVeil = vec2(uNow - look.w, up);
  vLow = oklch(0.74, 0.13, hue) * bright;
  vHigh = oklch(0.60, 0.15, hue + 0.20) * bright;
  gl_Position = here;
}`;

export const VEIL_SHADER = /* glsl */ `${HEADER}${DEVELOP}${NOISE}${COLOR}${SPACE}
in vec2 vVeil;
in vec3 vLow;
in vec3 vHigh;
out vec4 outColor;
void main() {
  vec4 folds = noise(vec3(vVeil.x * 3.1, vVeil.y * 0.4, 0.17 * uNow));
  vec4 rays = noise(vec3(vVeil.x * 11.0, vVeil.y * 0.3, 0.23 * uNow + 5.0));
  float ray = clamp(0.55 + 0.55 * folds.x + 0.35 * rays.y, 0.0, 1.5);
  float up = vVeil.y;
  float fall = (1.0 - up) * (1.0 - up) * (0.5 + 0.5 * exp(-4.0 * up));
  outColor = screen(mix(vLow, vHigh, smoothstep(0.0, 0.8, up)) * ray * fall);
}`;

/** The moments: each a light, the larger the stronger it was; those that sound like now flare up. */
export const LIGHTS_VERTEX_SHADER = /* glsl */ `${HEADER}${DEVELOP}${COLOR}${SPACE}
in vec3 position;
uniform float uPulse;
uniform float uGlow;
uniform float uFlare; // shared by all that is recognised
out vec2 vPoint;
flat out vec3 vLight;
flat out vec3 vHeart;
void main() {
  int i = gl_InstanceID;
  gl_Position = outOfSight();
  vPoint = vec2(0.0);
  vLight = vHeart = vec3(0.0);
  if (i >= uCount - 1) return;
  vec4 look = lookOf(i);
  float presence = presenceOf(i);
  if (presence < 0.004) return;
  vec4 here = project(placeOf(i));
  float clear = clearness(here.w);
  float flare = look.y * uFlare;
  float beat = beatOf(i);
  float twinkle = 0.85 + 0.15 * sin(1.3 * uNow + float(i % 64) * 2.4);
  float fresh = exp(-look.w * 0.30);
  float size = (0.014 + 0.030 * look.z * look.z) * (1.0 + 0.7 * fresh) + flare * (0.030 + 0.03 * uPulse) + 0.01 * beat;
  // Where music stays as it is, many lights lie upon each other, and share their light.
  float apart = distance(placeOf(i - 1), placeOf(i + 1));
  float own = mix(0.22, 1.0, smoothstep(0.0, 0.16, apart));
  float radius = max(size * 1.5 * enlarged(here.w), 2.0 * uPixel);
  vPoint = position.xy * 2.0 - 1.0;
  vec2 aspect = vec2(uTangent.x / uTangent.y, 1.0);
  here.xy += vPoint * radius / aspect * here.w;
  float bright = (0.22 + 0.30 * look.z + 0.5 * fresh + 1.3 * flare + 0.2 * beat) * twinkle * presence * clear;
  float hue = hueOf(look.x);
  vLight = oklch(0.70, 0.13, hue) * bright * own * (0.55 + 0.4 * uGlow);
  vHeart = mix(oklch(0.9, 0.07, hue), vec3(1.0, 0.92, 0.78), 0.5 * flare) * bright * (0.7 + 0.9 * own);
  gl_Position = here;
}`;

export const LIGHTS_SHADER = /* glsl */ `${HEADER}${DEVELOP}${COLOR}${SPACE}
in vec2 vPoint;
flat in vec3 vLight;
flat in vec3 vHeart;
out vec4 outColor;
void main() {
  float r2 = dot(vPoint, vPoint);
  if (r2 > 1.0) discard;
  float near = 1.0 - r2;
  float halo = near * near * near;
  float heart = exp(-r2 * 42.0);
  outColor = screen(vLight * halo * 0.75 + vHeart * heart);
}`;

/** Threads of light from the present to what it resembles. */
export const THREADS_VERTEX_SHADER = /* glsl */ `${HEADER}${DEVELOP}${COLOR}${SPACE}
#define PIECES ${THREAD_PIECES}.0
in vec3 position; // x: along, in pieces; y: side
uniform float uReach;
uniform float uPulse;
uniform float uBeat; // the pulse of the music
uniform float uFlare;
out float vAcross;
out vec3 vLight;
void main() {
  int i = gl_InstanceID;
  gl_Position = outOfSight();
  vAcross = 0.0;
  vLight = vec3(0.0);
  if (i >= uCount - 1) return;
  vec4 look = lookOf(i);
  float strength = look.y * presenceOf(i) * uFlare;
  if (strength < 0.02) return;
  vec3 head = placeOf(uCount - 1);
  vec3 memory = placeOf(i);
  float t = position.x / PIECES;
  // An arc that swings out sideways; neighbours swing alike, so that they make a fan.
  vec3 way = memory - head;
  float far = length(way);
  vec3 aside = normalize(cross(way, uForward) + vec3(0.0, 1e-3, 0.0));
  float swing = sin(0.21 * (uNow - look.w) + 1.0);
  vec3 bow = (aside * 0.34 * swing + vec3(0.0, 0.20, 0.0)) * far;
  vec3 p = head + way * t + bow * 4.0 * t * (1.0 - t);
  float t1 = t + 0.02;
  vec3 q = head + way * t1 + bow * 4.0 * t1 * (1.0 - t1);
  vec4 here = project(p);
  vec4 ahead = project(q);
  vec2 aspect = vec2(uTangent.x / uTangent.y, 1.0);
  vec2 along = (ahead.xy / ahead.w - here.xy / here.w) * aspect;
  along = along / max(length(along), 1e-5);
  float width = (0.004 + 0.007 * strength + 0.008 * uBeat * strength) * enlarged(here.w);
  float wide = max(width, 1.8 * uPixel);
  here.xy += vec2(-along.y, along.x) / aspect * position.y * wide * here.w;
  vAcross = position.y;
  // The thread reaches out from the present, and light runs home along it.
  float out01 = smoothstep(0.25 + 1.15 * uReach, -0.35 + 1.15 * uReach, t);
  float run = 0.5 + 0.5 * sin(6.2831853 * (1.2 * t + 0.45 * uNow) + 0.7 * (uNow - look.w));
  run *= run;
  float ends = smoothstep(0.0, 0.10, t) * (0.45 + 0.55 * smoothstep(1.0, 0.85, t));
  float bright = strength * (0.10 + 0.75 * out01) * (0.35 + (0.5 + 0.7 * uPulse) * run * run + 1.2 * uBeat) * ends;
  vec3 color = mix(oklch(0.82, 0.12, hueOf(look.x)), oklch(0.88, 0.08, hueOf(look.x) + 0.08), run);
  vLight = color * bright * clearness(here.w) * (0.35 + 0.65 * width / wide);
  gl_Position = here;
}`;

export const THREADS_SHADER = PATH_SHADER;

/** The present: a star with rings that spread from it. */
export const HEAD_VERTEX_SHADER = /* glsl */ `${HEADER}${DEVELOP}${COLOR}${SPACE}
in vec3 position;
uniform float uHeadSize;
out vec2 vPoint; // in sizes of the star
void main() {
  vPoint = (position.xy * 2.0 - 1.0) * 9.0;
  vec4 here = project(placeOf(uCount - 1));
  vec2 aspect = vec2(uTangent.x / uTangent.y, 1.0);
  here.xy += vPoint * uHeadSize * enlarged(here.w) / aspect * here.w;
  gl_Position = here;
}`;

export const HEAD_SHADER = /* glsl */ `${HEADER}${DEVELOP}${COLOR}${SPACE}
in vec2 vPoint;
out vec4 outColor;
uniform float uHueNow;
uniform float uPulse;
uniform float uGlow;
void main() {
  float r = length(vPoint);
  float edge = smoothstep(9.0, 5.0, r);
  float star = exp(-r * r * 2.2) * 2.4;
  float halo = (0.30 + 0.55 * uPulse) / (1.0 + r * r * 0.85);
  // Rays: slowly turning, uneven, soft.
  float angle = atan(vPoint.y, vPoint.x + 1e-5);
  float rays = 0.5 + 0.5 * sin(6.0 * angle + 0.21 * uNow) * sin(4.0 * angle - 0.13 * uNow + 1.0);
  rays = rays * rays * exp(-r * 0.42) * (0.10 + 0.55 * uGlow);
  // Rings run outwards in the plane of the coil, as over water.
  float onWater = length(vec2(vPoint.x, vPoint.y / max(-uForward.y, 0.3)));
  float wave = sin(2.3 * onWater - 3.4 * uNow);
  float rings = exp(-7.0 * (1.0 - wave)) * smoothstep(0.8, 2.2, onWater) * exp(-onWater * 0.30) * smoothstep(9.0, 6.0, onWater) * uRipple;
  vec3 color = oklch(0.8, 0.12, hueOf(uHueNow));
  vec3 light = mix(color, vec3(1.0, 0.96, 0.9), exp(-r * r * 0.9)) * star + color * (halo + rays) * edge;
  light += oklch(0.85, 0.08, hueOf(uHueNow) + 0.07) * rings * 0.85 * edge;
  outColor = screen(light * smoothstep(9.0, 8.0, r));
}`;
