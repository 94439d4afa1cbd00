import { ECHO } from "./echo";
import { LIGHT_RANGE } from "./scene-pass";
import { DEVELOP, DITHER, HEADER, NOISE } from "./shader-chunks";

/** The scene as every shader sees it: the camera is the origin and looks along -z. */
const SCENE = /* glsl */ `
#define CLOUDS 4
#define NEAREST 1.6           // where fog begins
uniform vec3 uCenters[CLOUDS];
uniform vec3 uInner[CLOUDS];  // linear light
uniform vec3 uOuter[CLOUDS];
uniform vec4 uNow;            // how strongly each cloud moves at this moment
uniform vec2 uTangent;        // of half the angle that the picture covers, horizontally and vertically
uniform float uDensity;       // of the fog, per unit of length
uniform float uTime;
uniform vec4 uBurst;          // how far a beat has burst each cloud
uniform float uPulse;         // of the last beat

float clearness(float distance) {
  return exp(-uDensity * max(distance - NEAREST, 0.0));
}
`;

/** Every point of all clouds, as a small square that faces the camera. */
export const POINTS_VERTEX_SHADER = /* glsl */ `${HEADER}${SCENE}${ECHO}
in vec4 position;       // within its cloud; w: when a beat reaches it, of the time that the wave takes
in vec4 look;           // four random numbers in [0, 1]
uniform int uPerCloud;
uniform mat3 uTurns[CLOUDS];
uniform vec2 uPixels;   // of the picture
uniform float uFocus;   // distance that the lens is focused on
uniform float uWaveSeconds;
out vec3 vLight;
out float vBokeh;       // 0: a sharp point, 1: a disc of blur

void main() {
  int cloud = gl_VertexID / uPerCloud;
  float force = echo(position.w * uWaveSeconds)[cloud];
  float beat = smoothstep(0.12, 0.95, force);

  // A beat bursts the cloud, throws a few points far out, and lights them.
  vec3 place = position.xyz;
  float away = length(place);
  place *= 1.0 + 0.15 * (beat - 0.3) + uBurst[cloud] * (0.24 + 0.7 * look.y * look.y * look.y);
  place += 0.015 * sin(uTime * (0.4 + look.xyz) + 40.0 * look.zxy);
  vec3 p = uCenters[cloud] + uTurns[cloud] * place;
  float distance = max(-p.z, 0.3);

  // Few are large and bright, most are dust.
  float rarity = look.x * look.x;
  rarity *= rarity * look.x;
  float size = (0.0026 + 0.0040 * rarity + 0.0010 * beat) / (distance * uTangent.y); // of the picture's height
  float blur = 0.0062 * abs(distance - uFocus) / (distance * uTangent.y);
  float radius = max(sqrt(size * size + blur * blur) * uPixels.y, 1.25);
  radius = min(radius, 0.04 * uPixels.y);
  float share = size * uPixels.y / radius; // the same light on a larger spot is fainter
  vBokeh = smoothstep(0.8, 2.5, blur / size);

  float tone = clamp(away * 0.95 + 0.35 * (look.w - 0.5), 0.0, 1.0);
  vec3 color = mix(uInner[cloud], uOuter[cloud], tone);
  color = mix(color, vec3(dot(color, vec3(0.3333)) * 1.3), 0.6 * rarity);
  float twinkle = 1.0 + 0.15 * sin(uTime * (1.0 + 2.0 * look.z) + 60.0 * look.w);
  float light = (0.20 + 0.9 * beat * beat + 0.15 * uBurst[cloud]) * (0.30 + 2.2 * rarity) * twinkle;
  vLight = color * light * share * share * clearness(distance) / ${LIGHT_RANGE.toFixed(1)};

  // Points vanish as soon as their middle leaves the picture: fade them out before.
  vec2 clip = p.xy / (distance * uTangent);
  vec2 margin = (1.0 - abs(clip)) * 0.5 * uPixels / radius;
  vLight *= clamp(min(margin.x, margin.y), 0.0, 1.0);
  gl_PointSize = 2.0 * radius;
  gl_Position = vec4(clip, 0.0, 1.0);
}`;

export const POINTS_SHADER = /* glsl */ `${HEADER}
in vec3 vLight;
in float vBokeh;
out vec4 outColor;
void main() {
  vec2 p = gl_PointCoord * 2.0 - 1.0;
  float away2 = dot(p, p);
  float sharp = exp(-4.5 * away2) * (1.0 - smoothstep(0.7, 1.0, away2));
  float disc = (0.16 + 0.10 * away2) * (1.0 - smoothstep(0.75, 1.0, away2));
  outColor = vec4(vLight * mix(sharp, disc, vBokeh), 0.0);
}`;

/** The fog and the clouds' light in it. Soft, so drawn small and enlarged. */
export const FOG_SHADER = /* glsl */ `${HEADER}${SCENE}${NOISE}
#define RINGS 12
in vec2 vClip;
out vec4 outColor;
uniform vec3 uFog[RINGS]; // its colour from the middle of the picture outwards: now, and ever earlier
uniform vec3 uOffset;     // where in the noise the fog lies
uniform float uThickness; // 0 clear to 1 thick

void main() {
  vec2 p = vClip * uTangent; // the picture at distance 1
  // Clouds that burst push the fog away.
  vec2 from = p / (1.0 + 0.05 * uPulse);
  for (int i = 0; i < CLOUDS; i++) {
    vec2 off = p + uCenters[i].xy / uCenters[i].z;
    float size = 1.1 / -uCenters[i].z;
    from -= 0.4 * uBurst[i] * off * exp(-dot(off, off) / (size * size));
  }
  float ring = min(length(p) / length(uTangent) * float(RINGS - 1), float(RINGS) - 1.001);
  int inner = int(ring);
  vec3 fog = mix(uFog[inner], uFog[inner + 1], ring - float(inner));

  // Swathes, drawn out by their own flow.
  vec3 q = vec3(from * 2.6, 0.4 * uTime) + uOffset;
  vec3 flow = noise(q * 0.7).xyz;
  vec4 swathes = layers(q + 1.1 * flow + vec3(1.2 * uTime, 0.0, 0.0), 4);
  float veil = smoothstep(-0.55, 0.75, swathes.x + 0.25 * flow.y);
  float deep = smoothstep(-0.5, 0.6, swathes.y);
  float threads = swathes.w * swathes.w;

  float middle = exp(-1.5 * dot(vClip, vClip));
  float lit = (0.10 + 0.55 * middle) * (0.35 + 0.65 * deep);
  vec3 light = 1.5 * fog * (0.05 + lit * mix(0.35, 1.25, uThickness)) * (0.12 + 1.5 * veil * veil + 0.6 * threads);

  // What fog keeps of a cloud's light it spreads around it.
  for (int i = 0; i < CLOUDS; i++) {
    float distance = -uCenters[i].z;
    vec2 off = p - uCenters[i].xy / distance;
    float size = 0.95 * (1.0 + 0.5 * uBurst[i]) / distance;
    float halo = exp(-dot(off, off) / (size * size) * 1.6) + 0.35 * exp(-dot(off, off) / (size * size) * 9.0);
    float kept = 1.0 - clearness(distance);
    light += mix(uOuter[i], uInner[i], 0.25) * halo * (0.08 + 0.42 * kept) * (0.2 + 0.4 * uNow[i] * uNow[i] + 0.6 * uBurst[i])
      * (0.15 + 1.3 * veil);
  }
  // Nearer swathes in shade.
  light *= mix(1.0, 0.55 + 0.45 * smoothstep(-0.45, 0.35, swathes.z), 0.75);
  outColor = vec4(light / ${LIGHT_RANGE.toFixed(1)}, 1.0);
}`;

/** Fog, points and their glow, developed. */
export const PICTURE_SHADER = /* glsl */ `${HEADER}${DEVELOP}${DITHER}
in vec2 vClip;
out vec4 outColor;
uniform float uPulse;
uniform sampler2D uFogLight;
uniform sampler2D uPoints;
uniform sampler2D uGlow;
void main() {
  vec2 p = vClip * 0.5 + 0.5;
  vec3 light = texture(uFogLight, p).rgb + texture(uPoints, p).rgb + 0.75 * texture(uGlow, p).rgb;
  light /= 1.0 + 1.0 * uPulse; // the eye narrows: what bursts is larger, not brighter
  vec2 corner = vClip * vec2(0.75, 0.7);
  light *= 1.0 - 0.5 * smoothstep(0.25, 1.05, dot(corner, corner));
  outColor = vec4(dither(encodeSrgb(toneMap(light * ${(1.5 * LIGHT_RANGE).toFixed(1)}))), 1.0);
}`;
