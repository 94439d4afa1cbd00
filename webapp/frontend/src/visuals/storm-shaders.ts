import { DEVELOP, DITHER, HEADER, NOISE } from "./shader-chunks";
import { CELLS } from "./storm-lightning";

/**
 * The landscape as every shader sees it. Lengths are half the picture's height; x counts from the middle, and altitude
 * from the horizon upwards.
 */
const LANDSCAPE = /* glsl */ `
#define CELLS ${CELLS}
#define HORIZON -0.5          // on the picture, -1 is its lower edge
#define CLOUD_BASE 0.98       // altitude of the clouds that the funnel hangs from
uniform float uAspect;
uniform float uTime;
uniform float uZoom;          // towards the horizon's middle
uniform float uSunX;          // where the sun stands behind the clouds
uniform float uFunnelX;       // where the funnel stands
uniform float uFunnel;        // its intensity
uniform float uSpin;          // how far it has turned, radians
uniform float uWind;          // how far the clouds have come
uniform float uDetail;        // how fine the clouds are
uniform float uVeil;          // how thick the rain is
uniform vec3 uZenith;         // colours are linear light
uniform vec3 uHorizon;
uniform vec3 uSun;
uniform vec3 uCloudLit;
uniform vec3 uCloudShade;
uniform vec3 uCloudWarm;
uniform vec3 uGlow;           // of lightning inside a cloud
uniform vec4 uCells[CELLS];   // strikes: x, light, length of the bolt, shape
uniform vec4 uEmbers[CELLS];  // what always glimmers: x, altitude, light, size
uniform float uExposure;

vec4 toPicture(vec2 place) {
  return vec4(place.x * uZoom / uAspect, place.y * uZoom + HORIZON, 0.0, 1.0);
}

float cellAltitude(vec4 cell) {
  return 0.85 + 0.28 * cell.w;
}

// Light that comes from inside the clouds at a place.
float innerLight(vec2 place) {
  float light = 0.0;
  for (int i = 0; i < CELLS; i++) {
    vec4 cell = uCells[i];
    vec2 to = (place - vec2(cell.x, cellAltitude(cell))) * vec2(1.0, 1.35);
    light += 7.0 * cell.y * exp(-dot(to, to) / 0.30);
    vec4 ember = uEmbers[i];
    to = (place - ember.xy) * vec2(1.0, 1.3);
    light += ember.z * exp(-dot(to, to) / (ember.w * ember.w));
  }
  return light;
}

vec3 develop(vec3 light) {
  return encodeSrgb(toneMap(light * uExposure));
}
`;

/** What is behind everything: the gap of light over the horizon, the cloud deck above, curtains of rain far away. */
export const SKY_SHADER = /* glsl */ `${HEADER}${DEVELOP}${NOISE}${LANDSCAPE}
in vec2 vClip;
out vec4 outColor;
void main() {
  vec2 place = vec2(vClip.x * uAspect, (vClip.y * 0.5 + 0.5) * 1.5);
  float altitude = place.y;
  float toSun = place.x - uSunX;

  // The gap: brightest low over the horizon where the sun is.
  float low = exp(-altitude * 2.6);
  float sunny = exp(-toSun * toSun * 0.85);
  vec3 light = mix(uZenith, uHorizon, low * (0.45 + 0.55 * sunny));
  light += uSun * sunny * (exp(-altitude * 5.0) * 0.8 + 0.5 * exp(-dot(vec2(toSun, altitude - 0.16), vec2(toSun, altitude - 0.16)) * 9.0));

  // The deck overhead is a plane: far away it is seen edge on, and its ripples become bands.
  float away = 1.0 / (altitude * 0.72 + 0.13);
  vec3 p = vec3(place.x * away * 0.62 + uWind * 0.5, away * 1.25, uTime * 0.05);
  vec4 cloud = layers(p * mix(0.6, 1.25, uDetail), 4);
  vec4 beyond = layers((p + vec3(-0.16 * toSun / (0.3 + abs(toSun)), 0.22, 0.0)) * mix(0.6, 1.25, uDetail), 3);
  float thick = smoothstep(-0.45, 0.20, cloud.x + 0.4 * cloud.y + 0.30 * altitude);
  float relief = clamp(0.45 + 1.6 * (beyond.x - cloud.x) + 0.3 * cloud.z, 0.0, 1.0);
  // The light of the gap reaches under the deck and catches what hangs down.
  float reach = exp(-altitude * 1.25) * (0.15 + 0.85 * exp(-toSun * toSun * 0.6));
  vec3 underside = mix(uCloudShade, mix(uCloudLit, uCloudWarm, reach), relief * (0.34 + 0.85 * reach));
  underside += uGlow * innerLight(place) * (0.25 + 0.6 * relief);
  light = mix(light, underside, thick * smoothstep(0.16, 0.55, altitude));

  // Curtains of rain, hanging and slanting from the clouds.
  float slant = place.x + 0.22 * altitude + uWind * 0.12;
  vec4 curtain = noise(vec3(slant * 1.7, altitude * 0.5, 3.0 + uTime * 0.03));
  vec4 strands = noise(vec3(slant * 17.0, altitude * 0.8 + uTime * 0.25, 7.0));
  float veil = smoothstep(-0.45, 0.85, curtain.x + 0.3 * strands.x) * uVeil * smoothstep(1.0, 0.1, altitude);
  light = mix(light, mix(uCloudShade, uHorizon, 0.22 + 0.4 * sunny), veil * 0.55);

  outColor = vec4(develop(light), 1.0);
}`;

/** Cloud puffs: round, lit from the gap, crinkled. Those of one cluster drift together. */
export const PUFFS_VERTEX_SHADER = /* glsl */ `${HEADER}${DEVELOP}${LANDSCAPE}
in vec3 position;
in vec4 aCluster; // x and altitude, nearness (0: over the horizon), drift
in vec4 aPuff;    // place in the cluster, radius, rank: the few first are always there
uniform float uNumber;
uniform float uSize;
uniform float uSeparation;
out vec2 vPoint;
out vec2 vPlace;
flat out vec4 vPuff; // nearness, presence, radius, number
void main() {
  float near = aCluster.z;
  // Clusters leave on one side and come back on the other, out of sight.
  float margin = uAspect + 0.75;
  float x = fract(aCluster.x + uWind * aCluster.w * 0.5 / margin) * 2.0 - 1.0;
  float presence = smoothstep(1.0, 1.0 - 0.3 / margin, abs(x)) * smoothstep(aPuff.w, aPuff.w + 0.14, uNumber);
  float radius = aPuff.z * uSize * (0.55 + 0.45 * presence);
  vec2 center = vec2(x * margin, aCluster.y) + aPuff.xy * uSeparation;
  vPuff = vec4(near, presence, radius, float(gl_InstanceID) + aCluster.x * 31.0);
  vPoint = (position.xy * 2.0 - 1.0) * 1.25;
  vPlace = center + vPoint * radius * vec2(mix(1.5, 1.25, near), 1.0);
  gl_Position = vec4(vPlace.x / uAspect, vPlace.y / 0.75 - 1.0, 0.0, 1.0);
  if (presence <= 0.0) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
}`;

export const PUFFS_SHADER = /* glsl */ `${HEADER}${DEVELOP}${NOISE}${LANDSCAPE}
in vec2 vPoint;
in vec2 vPlace;
flat in vec4 vPuff;
out vec4 outColor;
void main() {
  float near = vPuff.x;
  float r2 = dot(vPoint, vPoint);
  // Bases are flatter than crowns.
  float below = max(-vPoint.y, 0.0);
  float away = sqrt(r2 + 0.9 * below * below);
  if (away > 1.25) discard;
  vec3 round = vec3(vPoint, sqrt(max(1.3 - r2, 0.0)));

  float frequency = mix(0.8, 2.3, uDetail);
  vec3 p = round * frequency + vec3(vPuff.w * 3.7, vPuff.w * 1.3 - uTime * 0.07, uTime * 0.1);
  vec4 n = layers(p, 4);
  float bulge = n.x + 0.35 * n.y - 0.5 * n.w * uDetail;
  float body = 1.0 - away + 0.76 * bulge;
  float alpha = smoothstep(0.06, mix(0.62, 0.34, uDetail), body) * vPuff.y;
  alpha *= smoothstep(0.0, 0.13, vPlace.y + 0.05 * n.y); // none dips into the sea
  if (alpha < 0.004) discard;

  // Light comes from the gap: aside, and from below for what hangs overhead.
  float side = clamp((uSunX - vPlace.x) * 0.9, -1.0, 1.0);
  vec3 toLight = normalize(vec3(side, mix(0.30, -0.55, smoothstep(0.35, 0.95, vPlace.y)), 0.35));
  vec4 ahead = layers(p + toLight * 0.30, 3);
  float relief = clamp(0.5 + 1.15 * (bulge - ahead.x - 0.35 * ahead.y + 0.25 * ahead.w * uDetail), 0.0, 1.0);
  float facing = clamp(0.45 + 0.55 * dot(round, toLight), 0.0, 1.0);
  float lit = facing * (0.35 + 0.75 * relief);
  float toSun = vPlace.x - uSunX;
  float sunny = exp(-toSun * toSun * 0.75) * exp(-max(vPlace.y - 0.2, 0.0) * 0.85);
  vec3 light = mix(uCloudShade, uCloudLit, lit * (0.25 + 0.45 * relief));
  light += (uCloudWarm - uCloudShade) * lit * lit * (0.03 + 1.25 * sunny);
  // Thin edges let the light through.
  float thin = alpha * (1.0 - alpha) * 4.0;
  light += uSun * thin * thin * sunny * mix(0.34, 0.10, near);
  // Tops receive what little the sky gives.
  light += uZenith * 0.5 * clamp(round.y, 0.0, 1.0) * relief;

  light += uGlow * innerLight(vPlace) * (0.30 + 0.55 * relief + 0.35 * n.z) * (0.6 + 0.4 * alpha);
  // Air before what is far away.
  light = mix(light, mix(uZenith, uHorizon, 0.35 + 0.5 * sunny), (1.0 - near) * 0.5 * exp(-vPlace.y * 1.6));
  outColor = vec4(develop(light), 1.0) * alpha;
}`;

/** The funnel that hangs from the clouds, and what it stirs up where it touches the sea. */
export const FUNNEL_VERTEX_SHADER = /* glsl */ `${HEADER}${DEVELOP}${LANDSCAPE}
in vec3 position;
out vec2 vPlace;
void main() {
  vPlace = vec2(uFunnelX + (position.x * 2.0 - 1.0) * 0.95, position.y * 1.25);
  gl_Position = vec4(vPlace.x / uAspect, vPlace.y / 0.75 - 1.0, 0.0, 1.0);
}`;

export const FUNNEL_SHADER = /* glsl */ `${HEADER}${DEVELOP}${NOISE}${LANDSCAPE}
in vec2 vPlace;
out vec4 outColor;
void main() {
  float h = vPlace.y / CLOUD_BASE;
  float reach = smoothstep(-0.15, 0.62, uFunnel);
  float tip = 0.92 * (1.0 - reach);
  float lean = uSunX > uFunnelX ? -1.0 : 1.0;
  float middle = uFunnelX + lean * 0.20 * (h - 0.15) * h
    + 0.09 * sin(h * 3.4 - uTime * 1.3) * (1.1 - 0.5 * h) + 0.018 * sin(h * 9.0 + uSpin * 0.7);
  float along = clamp((h - tip) / (1.02 - tip), 0.0, 1.2);
  float h4 = along * along;
  h4 *= h4;
  float strength = 0.32 + 1.25 * uFunnel;
  float radius = strength * (0.032 + 0.075 * along + 0.36 * h4) * smoothstep(-0.02, 0.10, along);
  float across = (vPlace.x - middle) / max(radius, 1e-3);

  // The wall turns: bands wind up around it.
  float u = clamp(across, -1.0, 1.0);
  float depth = sqrt(1.0 - u * u);
  float angle = uSpin + 2.6 * h;
  vec3 wall = vec3(u * cos(angle) + depth * sin(angle), depth * cos(angle) - u * sin(angle), 0.0);
  vec4 n = layers(vec3(wall.xy * 1.15, h * 3.1 + 0.15 * uSpin), 4);
  float edge = 1.0 - abs(across) + 0.30 * n.x;
  float alpha = smoothstep(0.0, 0.55, edge) * smoothstep(tip - 0.02, tip + 0.14, h + 0.03 * n.y);
  alpha *= 0.55 + 0.45 * smoothstep(0.0, 0.5, along + 0.6 * uFunnel);
  alpha *= smoothstep(1.27, 0.94, h + 0.10 * n.x); // frays where it leaves the clouds
  alpha *= smoothstep(-0.12, 0.26, uFunnel);

  float side = uSunX > middle ? 1.0 : -1.0;
  float lit = clamp(0.42 + 0.62 * u * side + 0.50 * n.x - 0.25 * n.w, 0.0, 1.0);
  float toSun = middle - uSunX;
  float sunny = exp(-toSun * toSun * 0.30);
  vec3 light = mix(uCloudShade * 0.75, mix(uCloudLit, uCloudWarm, 0.2 + 0.6 * sunny), lit * 0.8);
  light += uGlow * innerLight(vPlace) * (0.3 + 0.7 * lit);

  // Spray, whirled up.
  float touch = smoothstep(0.30, 0.85, uFunnel);
  vec2 foot = vec2((vPlace.x - middle) / (0.07 + 0.20 * touch), vPlace.y / (0.05 + 0.15 * touch));
  vec4 s = layers(vec3(foot.x * 1.6 - uSpin * 0.5, foot.y * 1.5 - uTime * 0.5, uSpin * 0.15), 3);
  float spray = touch * smoothstep(0.05, 0.75, 1.0 - length(foot) + 0.55 * s.x) * smoothstep(0.0, 0.12, vPlace.y + 0.03);
  vec3 sprayLight = mix(uCloudShade, mix(uHorizon, uCloudWarm, 0.5), clamp(0.5 + 0.5 * s.y + 0.3 * foot.x * side, 0.0, 1.0));
  sprayLight += uGlow * innerLight(vPlace) * 0.4;

  vec4 painted = vec4(develop(light), 1.0) * alpha;
  painted = painted * (1.0 - spray) + vec4(develop(sprayLight), 1.0) * spray;
  outColor = painted;
}`;

/** The sky enlarged, and the sea that mirrors it. */
export const BACKDROP_SHADER = /* glsl */ `${HEADER}${DEVELOP}${DITHER}${NOISE}${LANDSCAPE}
in vec2 vClip;
out vec4 outColor;
uniform sampler2D uSky;
uniform vec3 uSea;
uniform float uRainTravel;

vec3 skyAt(vec2 place) {
  return texture(uSky, vec2(place.x / uAspect * 0.5 + 0.5, place.y / 1.5)).rgb;
}

void main() {
  vec2 place = vec2(vClip.x * uAspect, vClip.y - HORIZON) / uZoom;
  vec3 encoded;
  if (place.y >= 0.0) {
    encoded = skyAt(place);
  } else {
    float below = -place.y;
    // The sea is a plane: its waves crowd together towards the horizon.
    float away = 0.30 / (below + 0.012);
    vec2 water = vec2(place.x * away, away);
    vec4 swell = noise(vec3(water * vec2(1.3, 3.2) + vec2(uTime * 0.10, uTime * 0.45), uTime * 0.11));
    vec4 waves = noise(vec3(water * vec2(4.2, 11.0) + vec2(-uTime * 0.2, uTime * 0.9), uTime * 0.32));
    vec4 ripples = noise(vec3(water * vec2(15.0, 34.0) + vec2(uTime * 0.3, uTime * 1.5), uTime * 0.8));
    float calm = smoothstep(0.0, 0.30, below);
    vec2 slope = swell.xy * 0.55 + waves.xy * 0.40 * smoothstep(0.0, 0.12, below) + ripples.xy * 0.30 * calm;
    // Slopes stretch what is mirrored towards the viewer.
    vec2 mirrored = vec2(place.x + slope.x * (0.02 + 0.16 * below), below * 1.35 + 0.02 + abs(slope.y) * 0.55 * (0.12 + below));
    vec3 sky = skyAt(min(mirrored, vec2(9.0, 1.45)));
    float fresnel = clamp(0.90 - 1.15 * below + 0.55 * slope.y, 0.05, 1.0);
    fresnel = mix(fresnel, 0.95, exp(-below * 26.0));
    encoded = mix(encodeSrgb(toneMap(uSea * uExposure * (1.0 + 0.5 * slope.y))), sky, fresnel * 0.92);
    // Crests catch the gap's light.
    float toSun = place.x - uSunX;
    float crest = smoothstep(0.30, 0.95, waves.z + 0.5 * ripples.z + 0.35 * swell.z);
    float glitter = exp(-toSun * toSun * 1.1 / (0.25 + below));
    encoded += encodeSrgb(toneMap(uSun * uExposure)) * crest * glitter * 0.20 * calm;
    // Mist where sea and sky meet.
    encoded = mix(encoded, skyAt(vec2(place.x, 0.02)), exp(-below * 30.0) * 0.7);
  }
  vec2 corner = vClip * vec2(0.72, 0.66);
  encoded *= 1.0 - 0.38 * smoothstep(0.3, 1.05, dot(corner, corner));
  outColor = vec4(dither(encoded), 1.0);
}`;

/** Quads of each strike: the bolt and its branches. */
export const STRANDS = 8;

/**
 * Bolts. A strand's place across is a function of its altitude, jagged at every scale, so that every pixel knows how far
 * it is from the line and nothing shows where pieces would join.
 */
export const BOLTS_VERTEX_SHADER = /* glsl */ `${HEADER}${DEVELOP}${LANDSCAPE}
#define STRANDS ${STRANDS}
in vec3 position;
uniform float uToSky; // 1 for the small sky, 0 for the canvas
out vec2 vPlace;
flat out vec4 vStrand; // top: x and altitude; lean across its whole length; length
flat out vec3 vLife;   // light, growth, shape
flat out float vThickness;

float hash(float n) {
  return fract(sin(n * 12.9898) * 43758.547);
}

float jag(float t, float shape) {
  float sum = 0.0;
  float amplitude = 1.0;
  float pieces = 3.0;
  for (int octave = 0; octave < 5; octave++) {
    float at = t * pieces + 17.0 * float(octave) + shape * 91.0;
    float cell = floor(at);
    sum += amplitude * (mix(hash(cell), hash(cell + 1.0), at - cell) - 0.5);
    amplitude *= 0.5;
    pieces *= 2.1;
  }
  return sum;
}

void main() {
  int cellNumber = gl_InstanceID / STRANDS;
  int strand = gl_InstanceID - cellNumber * STRANDS;
  vec4 cell = uCells[cellNumber];
  float shape = cell.w;
  float top = cellAltitude(cell) + 0.05;
  float lean = (hash(shape * 7.0) - 0.5) * 0.5;
  float life = min(2.5 * cell.y, 1.0);
  vStrand = vec4(cell.x, top, lean, top);
  vThickness = 1.0;
  vLife = vec3(life, cell.z * 1.1, shape);
  if (strand > 0) {
    float random = hash(shape * 31.0 + float(strand) * 3.1);
    float start = 0.16 + 0.66 * (float(strand) - 0.5 + 0.6 * random) / float(STRANDS);
    float size = (0.16 + 0.34 * hash(random * 9.0)) * (1.0 - 0.5 * start);
    float aside = (strand % 2 == 0 ? 1.0 : -1.0) * (0.5 + 0.9 * hash(random * 5.0)) * size;
    float x = cell.x + lean * start + 0.20 * top * (jag(start, shape) - jag(0.0, shape));
    vStrand = vec4(x, top * (1.0 - start), aside, size);
    vThickness = 0.45;
    vLife = vec3(life * 0.65, clamp((cell.z * 1.1 - start) / (1.0 - start), 0.0, 1.1), shape + random);
  }
  float room = 0.20 * vStrand.w + 0.10;
  float from = min(0.0, vStrand.z) - room;
  float to = max(0.0, vStrand.z) + room;
  vPlace = vec2(vStrand.x + mix(from, to, position.x), vStrand.y - vStrand.w * position.y);
  gl_Position = uToSky > 0.5 ? vec4(vPlace.x / uAspect, vPlace.y / 0.75 - 1.0, 0.0, 1.0) : toPicture(vPlace);
  if (life < 0.004) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
}`;

export const BOLTS_SHADER = /* glsl */ `${HEADER}
in vec2 vPlace;
flat in vec4 vStrand;
flat in vec3 vLife;
flat in float vThickness;
out vec4 outColor;
uniform float uPixel; // its size
uniform vec3 uBolt;

float hash(float n) {
  return fract(sin(n * 12.9898) * 43758.547);
}

// Jagged, and its slope.
vec2 jag(float t, float shape) {
  vec2 sum = vec2(0.0);
  float amplitude = 1.0;
  float pieces = 3.0;
  for (int octave = 0; octave < 5; octave++) {
    float at = t * pieces + 17.0 * float(octave) + shape * 91.0;
    float cell = floor(at);
    float a = hash(cell);
    float b = hash(cell + 1.0);
    sum += amplitude * vec2(mix(a, b, at - cell) - 0.5, (b - a) * pieces);
    amplitude *= 0.5;
    pieces *= 2.1;
  }
  return sum;
}

void main() {
  float t = (vStrand.y - vPlace.y) / vStrand.w;
  vec2 line = jag(t, vLife.z);
  float x = vStrand.x + vStrand.z * t + 0.20 * vStrand.w * (line.x - jag(0.0, vLife.z).x);
  float slope = (vStrand.z + 0.20 * vStrand.w * line.y) / vStrand.w;
  float aside = abs(vPlace.x - x);
  float distance = aside * inversesqrt(1.0 + slope * slope);
  float width = max(0.0042 * vThickness * (1.0 - 0.55 * t), uPixel * 0.7);
  float strength = min(0.0042 * vThickness / width, 1.0);
  float core = exp(-distance * distance / (width * width));
  // The halo does not look at the slope, which jumps from piece to piece.
  float halo = 0.30 * exp(-aside / 0.024) + 0.12 * exp(-aside / 0.06);
  float ends = vThickness > 0.9 ? smoothstep(0.0, 0.16, t) : smoothstep(1.0, 0.4, t);
  float grown = smoothstep(vLife.y, vLife.y - 0.12, t);
  float room = 0.20 * vStrand.w + 0.10;
  float sides = smoothstep(0.0, 0.06, min(vPlace.x - vStrand.x - min(0.0, vStrand.z) + room,
    vStrand.x + max(0.0, vStrand.z) + room - vPlace.x));
  float light = vLife.x * ends * grown * sides;
  vec3 color = mix(uBolt, vec3(1.0), core * 0.75) * (core * (0.35 + 0.65 * strength) + halo) * light;
  outColor = vec4(color, core * light);
}`;

/** Streaks of rain, near and far. */
export const DROPS = 420;

export const RAIN_VERTEX_SHADER = /* glsl */ `${HEADER}${DEVELOP}${LANDSCAPE}
in vec3 position;
uniform float uRain;       // how fast it falls now
uniform float uRainTravel; // how far it has fallen
uniform float uPixel;
uniform vec3 uDrop;
out vec2 vPoint;
flat out vec4 vLight;
float hash(float n) {
  return fract(sin(n * 12.9898) * 43758.547);
}
void main() {
  float drop = float(gl_InstanceID);
  float near = hash(drop);
  near *= near;
  float speed = 0.55 + 1.1 * near;
  float way = hash(drop + 0.31) * 40.0 + uRainTravel * speed / 2.6;
  float life = floor(way);
  float fallen = (way - life) * 2.6;
  float x = (hash(drop * 1.7 + life * 3.3) * 2.0 - 1.0) * (uAspect + 0.3);
  float size = (0.05 + 0.30 * uRain) * (0.30 + 0.7 * near);
  const float SLANT = 0.20;
  vec2 head = vec2(x - SLANT * (fallen - 1.3), 1.3 - fallen);
  float width = max(0.0036 * (0.4 + near), 1.3 * uPixel);
  vPoint = vec2(position.x * 2.0 - 1.0, position.y);
  vec2 place = head + vec2(SLANT, 1.0) * size * position.y + vec2(width * vPoint.x, 0.0);
  // The light behind decides how bright a drop is: the gap, and lightning nearby.
  float toSun = place.x - uSunX;
  float altitude = place.y - HORIZON;
  float sunny = exp(-toSun * toSun * 0.5 - max(altitude, 0.0) * 1.2);
  float flash = innerLight(vec2(place.x, max(altitude, 0.3)));
  float alpha = (0.16 + 0.34 * near) * (0.45 + 0.85 * uRain) * min(0.0036 * (0.4 + near) / width + 0.1, 1.0);
  vLight = vec4(uDrop * (0.35 + 0.75 * sunny + 0.35 * flash), alpha);
  gl_Position = vec4(place.x / uAspect, place.y, 0.0, 1.0);
}`;

export const RAIN_SHADER = /* glsl */ `${HEADER}
in vec2 vPoint;
flat in vec4 vLight;
out vec4 outColor;
void main() {
  float across = 1.0 - vPoint.x * vPoint.x;
  float along = vPoint.y * (1.0 - vPoint.y) * (1.0 - vPoint.y) * 6.75; // brightest near its head
  float alpha = across * along * vLight.a;
  outColor = vec4(vLight.rgb * alpha, alpha * 0.6);
}`;
