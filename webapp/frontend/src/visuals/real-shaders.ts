import { STONE_STORAGE } from "./real-textures";
import { DEVELOP, DITHER, HEADER } from "./shader-chunks";

/**
 * The scene as every shader sees it. The middle of the grid is the origin and holds a lamp; the camera is described
 * by three axes; lengths are in units of the scene.
 */
const SCENE = /* glsl */ `
#define SPHERES 26
uniform vec4 uSpheres[SPHERES]; // centre and number, the farthest first
uniform float uRadius;
uniform vec3 uAway;             // from the middle to the places of the spheres on sides, edges and corners
uniform vec3 uBeat;             // the pulse that has reached them
uniform vec3 uCamera;
uniform vec3 uRight;
uniform vec3 uUp;
uniform vec3 uForward;
uniform vec2 uTangent;          // of half the angle that the picture covers, horizontally and vertically
uniform float uPixelAngle;      // that one pixel covers, in radians
uniform vec3 uSun;              // the direction of the sky's brightest star
uniform vec3 uSunLight;
uniform vec3 uLampLight;
uniform float uExposure;
uniform float uTime;

vec3 rayThrough(vec2 clip) {
  return normalize(uForward + clip.x * uTangent.x * uRight + clip.y * uTangent.y * uUp);
}

// The pulse that has come so far from the lamp; it dies away behind the last spheres.
float beatAt(float far) {
  float beat = mix(uBeat.x, uBeat.y, clamp((far - uAway.x) / (uAway.y - uAway.x), 0.0, 1.0));
  beat = mix(beat, uBeat.z, clamp((far - uAway.y) / (uAway.z - uAway.y), 0.0, 1.0));
  return beat * exp(-0.3 * max(far - uAway.z, 0.0));
}

// Light that thin mist throws towards the camera from the lamp, along a ray's first part of a length: the integral of
// 1 / distance^2 along it. The mist is thickest near the lamp.
float mistLight(vec3 ray, float reach) {
  float nearest = -dot(uCamera, ray);
  float h = sqrt(max(dot(uCamera, uCamera) - nearest * nearest, 0.0) + 0.004);
  return (atan((reach - nearest) / h) + atan(nearest / h)) * exp(-0.42 * h) / h;
}
`;

/** From light to the screen. */
const FINISH = /* glsl */ `
vec3 finish(vec3 light, vec2 clip) {
  vec2 corner = clip * vec2(0.75, 0.7);
  light *= 1.0 - 0.5 * smoothstep(0.25, 1.05, dot(corner, corner));
  return dither(encodeSrgb(toneMap(light * uExposure)));
}
`;

/** How the four colours of the sky are mixed. */
const SKY = /* glsl */ `
uniform vec3 uSkyGas;
uniform vec3 uSkyThreads;
uniform vec3 uSkyDeep;
uniform vec3 uSkyOther;
vec3 skyColor(vec4 stored) {
  vec4 share = stored * stored;
  return share.r * uSkyGas + share.g * uSkyThreads + share.b * uSkyDeep + share.a * uSkyOther;
}
`;

/**
 * Shafts of light between the spheres' shadows in the mist (r), and the sun's glow (g). Soft, so drawn small and
 * enlarged. Stored so that 8 bits hold any brightness: x / (1 + x), and its square root.
 */
export const SHAFTS_SHADER = /* glsl */ `${HEADER}${SCENE}
in vec2 vClip;
out vec4 outColor;

// Seen from the lamp every sphere covers a round spot of the sky. By the grid's symmetry it is enough to look at one
// sphere of each kind (side, edge, corner): fold the direction into the part of space that they share.
float lampVisibility(vec3 p) {
  vec3 a = abs(p);
  float most = max(a.x, max(a.y, a.z));
  float least = min(a.x, min(a.y, a.z));
  float middle = a.x + a.y + a.z - most - least;
  float far = length(p);
  vec3 along = vec3(most, (most + middle) * 0.70711, (most + middle + least) * 0.57735) / far;
  vec3 missed = sqrt(max(1.0 - along * along, 0.0)) * uAway - uRadius; // how far the light passes the sphere's surface
  vec3 lit = smoothstep(-0.06, 0.10, missed);
  vec3 behind = smoothstep(uAway - uRadius, uAway + uRadius, vec3(far));
  lit = mix(vec3(1.0), lit, behind);
  return min(lit.x, min(lit.y, lit.z));
}

void main() {
  vec3 ray = rayThrough(vClip);
  float nearest = -dot(uCamera, ray);
  float h2 = max(dot(uCamera, uCamera) - nearest * nearest, 0.0) + 0.03;
  float h = sqrt(h2);
  // Steps of equal light: even angles as seen from the lamp.
  const int STEPS = 18;
  float from = -1.25;
  float to = 1.25;
  float jitter = fract(dot(gl_FragCoord.xy, vec2(0.75487767, 0.56984029)));
  float sum = 0.0;
  for (int i = 0; i < STEPS; i++) {
    float angle = mix(from, to, (float(i) + jitter) / float(STEPS));
    vec3 p = uCamera + ray * (nearest + h * tan(angle));
    sum += lampVisibility(p) * (1.0 + 0.6 * beatAt(length(p)));
  }
  // The mist is thickest near the lamp.
  float lamp = (sum / float(STEPS) * (to - from) + 0.15) * exp(-0.42 * h) / h;
  float away = 1.0 - dot(ray, uSun);
  vec2 light = vec2(0.17 * lamp, (0.012 + 0.0006 / (away + 0.012)) * exp(-away * 7.0));
  outColor = vec4(sqrt(light / (1.0 + light)), 0.0, 1.0);
}`;

/** The sky sphere: nebula, stars, the sun, and the mist before it. */
export const SKY_SHADER = /* glsl */ `${HEADER}${SCENE}${DEVELOP}${DITHER}${FINISH}${SKY}
in vec2 vClip;
out vec4 outColor;
uniform samplerCube uSky;
uniform sampler2D uShafts;

// One star in each cell of a grid on the cube around us, most of them too faint to see. Never smaller than a pixel,
// but dimmer where pixels are large.
vec3 stars(vec3 ray) {
  const float CELLS = 46.0; // from the middle of a side to its edge
  vec3 a = abs(ray);
  float most = max(a.x, max(a.y, a.z));
  vec3 side = step(vec3(most), a) * sign(ray);
  vec2 place = CELLS / most * (abs(side.x) > 0.5 ? ray.yz : abs(side.y) > 0.5 ? ray.zx : ray.xy);
  vec2 cell = floor(place);
  ivec3 number = ivec3(cell, dot(side, vec3(1.0, 2.0, 3.0)) + 3.5);
  uint bits = uint(number.x * 131 + number.y) * 8u + uint(number.z);
  bits = (bits ^ (bits >> 15)) * 0x846ca68bu;
  bits = (bits ^ (bits >> 14)) * 0x7feb352du;
  bits ^= bits >> 15;
  vec4 random = vec4(uvec4(bits, bits >> 8, bits >> 16, bits >> 24) & 255u) / 255.0;

  const float SIZE = 0.0009; // radians
  float size = max(uPixelAngle * 0.75, SIZE);
  vec2 off = (place - cell - 0.25 - 0.5 * random.xy) * (most / CELLS) / size;
  float bright = random.z * random.z;
  bright *= bright;
  bright *= bright * bright;
  float twinkle = 0.8 + 0.2 * sin(uTime * 1.7 + 25.0 * (random.x + random.y));
  vec3 tint = mix(vec3(1.0, 0.78, 0.6), vec3(0.7, 0.83, 1.0), random.w);
  return tint * (bright * twinkle * 1.8 * (SIZE * SIZE) / (size * size) * exp(-dot(off, off)));
}

void main() {
  vec3 ray = rayThrough(vClip);
  vec3 light = skyColor(textureLod(uSky, ray, 0.0));
  light += stars(ray);

  light += uSunLight * 0.00025 / (1.0 - dot(ray, uSun) + 0.0001);
  vec2 mist = texture(uShafts, vClip * 0.5 + 0.5).rg;
  mist *= mist;
  mist /= 1.004 - mist;
  light += uLampLight * mist.r + uSunLight * mist.g;
  outColor = vec4(finish(light, vClip), 1.0);
}`;

/** A round shape that faces the camera and just covers the sphere; the fragment shader finds the sphere's surface. */
export const SPHERES_VERTEX_SHADER = /* glsl */ `${HEADER}${SCENE}
in vec3 position; // on the unit circle, or its middle
out vec3 vRay;
flat out vec3 vCenter;
flat out mat3 vTurn;
uniform float uCorners; // of the shape

void main() {
  vec4 sphere = uSpheres[gl_InstanceID];
  vCenter = sphere.xyz;

  vec3 toCenter = vCenter - uCamera;
  float away = length(toCenter);
  vec3 forward = toCenter / away;
  vec3 side = normalize(cross(forward, uUp));
  vec3 up = cross(side, forward);
  // In perspective a sphere shows less than half of itself, and looks larger than its middle.
  float seen = uRadius * away / sqrt(away * away - uRadius * uRadius);
  float extent = seen / cos(3.14159265 / uCorners) + 1.5 * uPixelAngle * away;
  vRay = toCenter + extent * (position.x * side + position.y * up);
  gl_Position = vec4(dot(vRay, uRight) / uTangent.x, dot(vRay, uUp) / uTangent.y, 0.0, dot(vRay, uForward));

  // Each sphere is turned its own way, and spins slowly.
  float number = sphere.w;
  vec3 axis = normalize(vec3(sin(number * 2.4), 1.3 * cos(number * 1.7), sin(number * 3.1 + 1.0)) + 0.01);
  float angle = number * 2.39996 + uTime * (0.5 + 0.2 * sin(number * 5.0));
  float c = cos(angle);
  vec3 s = sin(angle) * axis;
  vec3 t = (1.0 - c) * axis;
  vTurn = mat3(
    t.x * axis + vec3(c, s.z, -s.y),
    t.y * axis + vec3(-s.z, c, s.x),
    t.z * axis + vec3(s.y, -s.x, c));
}`;

export const SPHERES_SHADER = /* glsl */ `${HEADER}${SCENE}${DEVELOP}${DITHER}${FINISH}${SKY}${STONE_STORAGE}
in vec3 vRay;
flat in vec3 vCenter;
flat in mat3 vTurn;
out vec4 outColor;
uniform samplerCube uSky;
uniform samplerCube uIrradiance;
uniform samplerCube uStone;
uniform vec2 uPixels; // of the picture
uniform vec3 uSurface;
uniform vec3 uVein;

// How much a microscopically rough surface sends of a light towards the eye, without Fresnel and colour: GGX with the
// visibility term approximated.
float glint(float roughness, float nl, float nv, float nh) {
  float a = roughness * roughness;
  float a2 = a * a;
  float spread = nh * nh * (a2 - 1.0) + 1.0;
  float k = 0.5 * a;
  return a2 / (3.14159265 * spread * spread) * 0.25 / ((nl * (1.0 - k) + k) * (nv * (1.0 - k) + k));
}

void main() {
  vec2 clip = gl_FragCoord.xy / uPixels * 2.0 - 1.0;
  vec3 ray = normalize(vRay);
  vec3 toCenter = vCenter - uCamera;
  float middle = dot(toCenter, ray);
  float missed = sqrt(max(dot(toCenter, toCenter) - middle * middle, 0.0));
  // The share of the pixel inside the outline: exact smoothing without extra samples.
  float coverage = clamp(0.5 + (uRadius - missed) / (middle * uPixelAngle), 0.0, 1.0);
  if (coverage <= 0.0) discard;
  float hit = middle - sqrt(max(uRadius * uRadius - missed * missed, 0.0));
  vec3 place = uCamera + ray * hit;
  vec3 outward = normalize(place - vCenter);

  // Stone: its tone colours the surface, its slope bends the light, its veins are metal.
  vec4 stone = texture(uStone, outward * vTurn);
  vec3 slope = vTurn * ((stone.rgb - 0.5) * SLOPE_RANGE);
  slope -= outward * dot(slope, outward);
  vec3 normal = normalize(outward - 0.16 * slope);
  float metal = smoothstep(BODY_TONES + 0.02, 0.92, stone.a);
  float tone = min(stone.a / BODY_TONES, 1.0);
  float roughness = mix(0.13 + 0.22 * (1.0 - tone), 0.36, metal);
  vec3 albedo = uSurface * mix(0.30, 1.1, tone) * (1.0 - metal);
  vec3 f0 = mix(vec3(0.045), uVein, metal);

  vec3 toEye = -ray;
  float nv = max(dot(normal, toEye), 0.02);
  vec3 mirror = reflect(ray, normal);

  // What the other spheres take away of the sky's light, of the sun, and of the mirror image.
  float open = 1.0;
  float sunny = 1.0;
  float unhidden = 1.0;
  float radius2 = uRadius * uRadius;
  for (int i = 0; i < SPHERES; i++) {
    vec3 to = uSpheres[i].xyz - place;
    float d2 = dot(to, to);
    if (d2 < radius2 * 1.02) continue; // the sphere itself
    open -= max(dot(normal, to), 0.0) * radius2 * inversesqrt(d2) / d2;
    // Compared as squares: how far the way to the light passes the sphere, on the scale of a blur that grows with
    // distance.
    float ahead = dot(to, uSun);
    if (ahead > 0.0) {
      sunny *= clamp(0.5 + (d2 - ahead * ahead - radius2) / (uRadius * (0.05 + 0.25 * ahead)), 0.0, 1.0);
    }
    ahead = dot(to, mirror);
    if (ahead > 0.0) {
      float blur = uRadius * (0.04 + roughness * 1.5 * ahead);
      unhidden *= clamp(0.5 + (d2 - ahead * ahead - radius2) / blur, 0.0, 1.0);
    }
  }
  open = clamp(open, 0.1, 1.0);

  // Light of the whole sky. Where a sphere hides it, that sphere's own colour comes instead.
  vec3 around = skyColor(texture(uIrradiance, normal));
  vec3 diffuse = around * mix(uSurface, vec3(1.0), open) * open * 0.85;
  vec3 reflected = skyColor(textureLod(uSky, mirror, 1.0 + roughness * 7.0)) * 1.3;
  reflected = mix(uSurface * (around * 0.8 + uLampLight * 0.05), reflected, unhidden) * mix(0.4, 1.0, open);
  float grazing = 1.0 - nv;
  float grazing2 = grazing * grazing;
  vec3 fresnel = f0 + (max(vec3(1.0 - roughness), f0) - f0) * grazing2 * grazing2 * grazing;
  vec3 light = albedo * diffuse + fresnel * reflected;

  // The sun.
  vec3 halfway = normalize(uSun + toEye);
  float nl = max(dot(normal, uSun), 0.0);
  float shine = glint(roughness, nl, nv, max(dot(normal, halfway), 0.0));
  light += uSunLight * sunny * nl * (albedo * 0.318 + f0 * shine);

  // The lamp in the middle: nothing stands between it and any sphere.
  vec3 toLamp = -place;
  float lampAway2 = dot(toLamp, toLamp);
  toLamp *= inversesqrt(lampAway2);
  halfway = normalize(toLamp + toEye);
  nl = max(dot(normal, toLamp), 0.0);
  shine = glint(max(roughness, 0.3), nl, nv, max(dot(normal, halfway), 0.0));
  float beat = beatAt(length(vCenter));
  light += uLampLight * (1.0 + beat) * 16.0 / (1.0 + lampAway2) * nl * (albedo * 0.318 + f0 * shine);

  // A little of the lamp's light comes through the veins, much more of it with the beat.
  light += uVein * metal * (0.15 + 0.35 * nv) * (1.0 + 4.0 * beat);

  // Mist: what is far fades a little into the sky, and glows near the lamp.
  light = mix(around * 0.7, light, exp(-0.008 * hit));
  light += uLampLight * 0.045 * mistLight(ray, hit);
  outColor = vec4(finish(light, clip), 1.0) * coverage;
}`;
