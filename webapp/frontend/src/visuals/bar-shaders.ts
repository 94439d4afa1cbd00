import { DEVELOP, DITHER, HEADER } from "./shader-chunks";

/** Uniforms that describe the ten bars. Lengths are CSS pixels; y counts upwards from the baseline. */
const BARS = /* glsl */ `
#define BARS 10
uniform vec2 uSize;         // the picture
uniform float uBaseline;    // height of the baseline above the picture's lower edge
uniform float uFullLength;  // of a bar whose parameter is 1
uniform float uLeft;        // middle of the first bar
uniform float uPitch;       // from one bar's middle to the next
uniform float uHalfWidth;   // half a bar's width
uniform float uZoom;        // the pulse brings everything nearer: about the middle of the baseline
uniform float uLengths[BARS]; // as shares of the full length
uniform float uTravel[BARS];
uniform vec3 uColors[BARS]; // linear light

vec4 toClip(vec2 p) {
  vec2 middle = vec2(0.5 * uSize.x, 0.0);
  return vec4((middle + (p - middle) * uZoom + vec2(0.0, uBaseline)) / uSize * 2.0 - 1.0, 0.0, 1.0);
}
`;

/** How the water lies that the floor is covered by: waves that run outwards from the bars in musical time. */
const WATER = /* glsl */ `
uniform float uTime;   // musical
uniform float uPulse;
// Sideways, in heights of the picture; p from the middle of the baseline, y counts downwards.
float ripple(vec2 p) {
  float depth = p.y * (3.2 - 4.0 * p.y);
  float away = length(vec2(p.x * 0.8, depth));
  return (sin(17.0 * away - 7.0 * uTime) + 0.6 * sin(29.0 * depth - 5.0 * uTime + 3.0 * p.x))
    * (0.004 + 0.012 * uPulse) * smoothstep(0.0, 0.12, p.y);
}
`;

/**
 * What is soft: the light that the bars throw into the air, and the sky behind them. Drawn small and enlarged, which
 * cannot be seen in something so smooth and costs a sixteenth.
 */
export const ATMOSPHERE_SHADER = /* glsl */ `${HEADER}${BARS}${WATER}${DEVELOP}
in vec2 vClip;
out vec4 outColor;
uniform vec3 uSkyHigh;
uniform vec3 uSkyLow;
uniform float uSeed;

// Light that a glowing line from (0, 0) to (0, reach) sends to a point: the integral of 1 / distance^2 along it, which
// is the angle that the line covers, over the distance h. "softness" keeps the light finite on the line itself, and
// blurs its mirror image.
float lineLight(float dx, float y, float reach, float softness) {
  float h2 = dx * dx + softness * softness;
  float h = sqrt(h2);
  return atan(h * reach, h2 - y * (reach - y)) / h;
}

// A curtain of light in the sky: a folded sheet, brightest where it begins, with rays that fade upwards.
float curtain(vec2 p, float phase) {
  float fold = sin(p.x * 1.9 + phase) + 0.55 * sin(p.x * 4.3 - phase * 1.3 + uSeed * 5.0)
    + 0.22 * sin(p.x * 11.0 + phase * 1.7);
  float above = max(p.y - 0.22 - 0.14 * fold, 0.0);
  float rays = 0.5 + 0.5 * sin(p.x * 13.0 + 4.0 * fold + phase * 2.0) * sin(p.x * 5.0 - 2.0 * fold - phase);
  return rays * above * above * exp(-above * 8.0) * 85.0;
}

void main() {
  vec2 p = vec2(0.5 * uSize.x, uBaseline);
  p += ((vClip * 0.5 + 0.5) * uSize - p) / uZoom;
  float y = p.y - uBaseline;
  float below = max(-y, 0.0);
  float mirrored = abs(y);

  // The sky, and its reflection in the floor.
  float altitude = mirrored / (uSize.y - uBaseline);
  vec2 q = vec2((p.x - 0.5 * uSize.x) / uSize.y, altitude);
  vec2 ground = vec2(q.x, below / uSize.y);
  float shift = y < 0.0 ? ripple(ground) : 0.0;
  q.x += 2.0 * shift;
  p.x += uSize.y * shift;
  float away = y < 0.0 ? length(vec2(q.x, 4.0 * ground.y)) : length(vec2(q.x, 0.75 * q.y));
  float wave = sin(7.0 * away - 8.0 * uTime - 2.0 * uPulse);
  vec3 light = 0.35 * mix(uSkyLow, uSkyHigh, smoothstep(0.0, 0.75, altitude));
  float drift = uTime * 5.0;
  vec2 lifted = q * (1.0 - 0.5 * uPulse);
  float firstSheet = curtain(lifted, drift + uSeed * 9.0);
  float secondSheet = curtain(lifted * vec2(0.7, 1.2) + vec2(0.4, -0.16), uSeed * 4.0 - drift * 0.8);

  // The bars, and the colours of those nearby: the sky takes them on, and lets them flow.
  vec3 halo = vec3(0.0);
  vec3 nearby = vec3(0.0);
  float nearness = 0.0;
  float softness = uHalfWidth * 1.2 + 0.5 * below;
  float flown = uPitch * (3.0 * uPulse + 5.0 * sin(3.1 * q.y - 2.0 * q.x + 6.0 * uTime));
  for (int i = 0; i < BARS; i++) {
    float dx = p.x - (uLeft + float(i) * uPitch);
    float reach = uLengths[i] * uFullLength;
    halo += uColors[i] * lineLight(dx, mirrored, reach, softness);
    dx += flown;
    float weight = 1.0 / (1.0 + dx * dx / (uPitch * uPitch * 3.0));
    weight *= weight * weight;
    nearby += weight * uColors[i] * (0.15 + uLengths[i]);
    nearness += weight;
  }
  nearby /= nearness;
  float sheets = (firstSheet * 0.9 + secondSheet * 0.6) * (1.0 + wave);
  light += nearby * 0.42 * (1.0 - exp(-2.4 * sheets)); // the sky stays darker than the bars
  light += halo * uHalfWidth * 0.10;

  // The floor gives back less the steeper one looks into it.
  light *= y < 0.0 ? 0.7 * exp(-below / (0.17 * uSize.y)) : 1.0;

  // What the pulse gives to the bars it takes from the sky, so that the picture does not flash.
  light *= 1.0 - 0.3 * uPulse;

  // A vignette holds the picture together.
  vec2 corner = vClip * vec2(0.75, 0.7);
  light *= 1.0 - 0.6 * smoothstep(0.2, 1.0, dot(corner, corner));
  outColor = vec4(encodeSrgb(toneMap(light * 1.5)), 1.0);
}`;

/** The atmosphere, enlarged. */
export const BACKDROP_SHADER = /* glsl */ `${HEADER}${DITHER}
in vec2 vClip;
out vec4 outColor;
uniform sampler2D uAtmosphere;
void main() {
  outColor = vec4(dither(texture(uAtmosphere, vClip * 0.5 + 0.5).rgb), 1.0);
}`;

/** A square around each bar: the first ten from the baseline up, ten more for what the floor mirrors. */
export const BARS_VERTEX_SHADER = /* glsl */ `${HEADER}${BARS}${DEVELOP}
in vec3 position;
out vec2 vPoint;           // from the bar's foot; y is positive in the mirror, too
flat out float vSide;      // 1 above the floor, -1 below
flat out float vReach;     // the bar's length
flat out float vTravel;
flat out float vMiddle;    // from the picture's
flat out vec3 vColor;      // encoded: mixing a few shades of one hue needs no linear light
void main() {
  int i = gl_InstanceID % BARS;
  vSide = gl_InstanceID < BARS ? 1.0 : -1.0;
  vReach = uLengths[i] * uFullLength;
  vTravel = uTravel[i];
  vMiddle = uLeft + float(i) * uPitch - 0.5 * uSize.x;
  vColor = encodeSrgb(uColors[i]);
  float height = vSide > 0.0 ? uFullLength + 1.0 : uBaseline;
  // The water moves the mirror image aside.
  float margin = vSide > 0.0 ? 1.0 : 0.04 * uSize.y;
  vPoint = vec2((position.x * 2.0 - 1.0) * (uHalfWidth + margin), position.y * height);
  gl_Position = toClip(vec2(uLeft + float(i) * uPitch + vPoint.x, vSide * vPoint.y));
}`;

/** What is crisp: the bars, the glass around them, their mirror images. */
export const BARS_SHADER = /* glsl */ `${HEADER}${BARS}${WATER}
in vec2 vPoint;
flat in float vSide;
flat in float vReach;
flat in float vTravel;
flat in float vMiddle;
flat in vec3 vColor;
out vec4 outColor;
uniform float uPixelRatio;

// Signed distance to an upright bar with round upper corners that stands on the baseline and ends at y = reach.
float barDistance(vec2 point, float reach) {
  float radius = min(uHalfWidth, reach);
  vec2 corner = vec2(abs(point.x) - (uHalfWidth - radius), point.y - (reach - radius));
  return length(max(corner, 0.0)) + min(max(corner.x, corner.y), 0.0) - radius;
}

void main() {
  vec2 point = vPoint;
  if (vSide < 0.0) point.x += uSize.y * ripple(vec2(vMiddle + vPoint.x, vPoint.y) / uSize.y);
  float across = point.x / uHalfWidth;
  float rise = point.y / uFullLength;

  // Something swirls in the tube. It rises as fast as the parameter is high.
  float flow = point.y / (uHalfWidth * 6.0) - vTravel * 4.0;
  float swirl = sin(flow + 1.6 * across + 1.3 * sin(flow * 0.61 - 2.1 * across));

  // Light is whitest deep in the tube and at its tip, and takes on colour towards the glass.
  float squared = across * across;
  float body = 0.93 + 0.16 * rise - 0.30 * squared * squared + 0.05 * swirl;
  float tip = exp(-max(vReach - point.y, 0.0) / (uHalfWidth * 2.0));
  float heart = max(1.0 - 1.3 * squared, 0.0);
  float shine = max(1.0 - 9.0 * (across + 0.5) * (across + 0.5), 0.0);
  shine *= shine;
  float white = heart * heart * (0.16 + 0.14 * swirl + 0.12 * rise) + 0.55 * tip * (0.4 + 0.6 * heart);
  vec3 core = mix(vColor * body, vec3(1.0, 0.99, 0.97), white);
  float distance = barDistance(point, vReach);

  if (vSide > 0.0) {
    float lit = clamp(0.5 - distance * uPixelRatio, 0.0, 1.0);

    // Empty glass shows how long the bar could be.
    float glass = barDistance(point, uFullLength);
    float edge = max(1.0 - 0.5 * abs(glass + 1.0), 0.0);
    float gloss = 0.012 + (0.13 * edge * edge + 0.05 * shine) * (0.3 + 0.7 * rise);
    gloss *= clamp(0.5 - glass * uPixelRatio, 0.0, 1.0) * (1.0 - lit);

    outColor = vec4(core * lit + gloss * mix(vec3(0.85, 0.93, 1.0), vColor, 0.5), lit);
  } else {
    // The mirror image loses its edges and its light with depth.
    float blur = 0.6 / uPixelRatio + vPoint.y * 0.10;
    float lit = smoothstep(blur, -blur, distance);
    float fade = 0.5 * exp(-vPoint.y / (0.085 * uSize.y));
    outColor = vec4(core * vColor, 0.6) * lit * fade;
  }
}`;

/** Embers that rise from the bars. Each lives in one bar's travel: no history is kept. The pulse throws them up. */
export const EMBERS_VERTEX_SHADER = /* glsl */ `${HEADER}${BARS}
#define EMBERS_PER_BAR 7
in vec3 position;
uniform float uSeed;
uniform float uPulse;
out vec2 vPoint;
flat out vec3 vLight;
float hash(float n) {
  return fract(sin(n * 12.9898 + uSeed * 78.233) * 43758.547);
}
void main() {
  int i = gl_InstanceID / EMBERS_PER_BAR;
  float ember = float(gl_InstanceID);
  float way = hash(ember) * 5.0 + uTravel[i] * (0.25 + 0.3 * hash(ember + 0.3));
  float life = floor(way);
  float age = way - life;
  float random = hash(ember + 17.0 * life);
  float reach = uLengths[i] * uFullLength;
  float sway = sin(age * 7.0 + random * 40.0) * 0.35 + (random - 0.5) * (1.2 + 2.0 * age);
  vec2 center = vec2(uLeft + float(i) * uPitch + sway * uHalfWidth,
    reach + uHalfWidth * 0.5 + (age * (0.25 + 0.35 * hash(ember + life)) + 0.25 * uPulse * random) * uFullLength);
  float size = uHalfWidth * mix(0.34, 0.12, age) * (0.5 + random) * (1.0 + uPulse);
  vPoint = position.xy * 2.0 - 1.0;
  // Embers of a silent bar are out, and they come and go softly.
  vLight = uColors[i] * smoothstep(0.0, 0.15, age) * (1.0 - age) * (1.0 - age) * smoothstep(0.05, 0.5, uLengths[i]);
  gl_Position = toClip(center + vPoint * size);
}`;

export const EMBERS_SHADER = /* glsl */ `${HEADER}
in vec2 vPoint;
flat in vec3 vLight;
out vec4 outColor;
void main() {
  float near = max(1.0 - dot(vPoint, vPoint), 0.0);
  outColor = vec4(vLight * near * near * near * 0.55, 0.0);
}`;
