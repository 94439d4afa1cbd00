import { CRYSTALS_PER_GROUP, N_GROUPS } from "./crystals-shapes";
import { NOISE_SIZE } from "./noise-texture";
import { LIGHT_RANGE } from "./scene-pass";
import { DEVELOP, DITHER, HEADER, NOISE } from "./shader-chunks";

/** The scene as every shader sees it: the rock's middle is the origin; the camera looks at it from `uCamera`. */
const SCENE = /* glsl */ `
uniform mat3 uView;    // from the cave's axes to the camera's
uniform mat3 uTurn;    // from the rock's axes to the cave's
uniform vec3 uCamera;
uniform float uAway;   // from the camera to the rock
uniform vec2 uTangent; // of half the angle that the picture covers, horizontally and vertically
uniform vec2 uPixels;  // of the picture
uniform float uTime;
uniform float uRaised; // how far above the picture's middle the rock hangs

vec4 project(vec3 p) {
  vec3 seen = uView * p;
  float ahead = uAway - seen.z;
  const float NEAR = 0.3;
  const float FAR = 16.0;
  seen.y += uRaised;
  return vec4(seen.xy / uTangent, (ahead * (FAR + NEAR) - 2.0 * FAR * NEAR) / (FAR - NEAR), ahead);
}
`;

/** What light comes from where in the cave. */
const CAVE = /* glsl */ `
#define LAMPS 4
uniform samplerCube uCave;
uniform vec3 uDeep;
uniform vec3 uHaze;
uniform vec3 uOtherHaze;
uniform vec3 uLampsAt[LAMPS];
uniform vec3 uLamps[LAMPS];
uniform vec3 uWash;    // what the crystals throw on the walls, on average
uniform mat3 uWashTo;  // and how much more of it where

vec3 walls(vec3 direction, float blur) {
  vec4 wall = textureLod(uCave, direction, blur);
  vec3 light = uDeep * (0.08 + 3.0 * wall.b * wall.b) + uHaze * wall.r * wall.r * 0.8 + uOtherHaze * wall.a * wall.a * 0.8;
  light += (uHaze + uOtherHaze) * wall.g * wall.g * 0.3;
  vec3 wash = max(uWash + uWashTo * direction, 0.0) * (0.2 + 1.9 * wall.b * wall.b + 0.6 * wall.g);
  return light * (0.75 + 0.35 * direction.y) + wash;
}

// Walls and lamps: large soft ones, as photographers use them for glass.
vec3 surroundings(vec3 direction) {
  vec3 light = 1.5 * walls(direction, 2.0);
  for (int i = 0; i < LAMPS; i++) {
    float near = dot(direction, uLampsAt[i]);
    light += uLamps[i] * (smoothstep(0.78, 0.93, near) + 1.5 * smoothstep(0.93, 0.99, near) + 0.22 * smoothstep(0.2, 1.0, near));
  }
  return light;
}
`;

const GROUPS = /* glsl */ `
#define GROUPS ${N_GROUPS}
uniform vec3 uCore[GROUPS];    // the groups' colours, at their feet
uniform vec3 uTip[GROUPS];     // and at their tips
uniform vec3 uFog;
float clearness(vec3 p) {
  return exp(-0.16 * max(distance(p, uCamera) - 3.6, 0.0));
}
`;

export const CRYSTALS_VERTEX_SHADER = /* glsl */ `${HEADER}${SCENE}${GROUPS}
in vec3 position;    // edge, level, facet
in vec3 root;
in vec4 axis;        // and the crystal's turn around it
in vec4 shape;       // radius, length, height of the tip, and a random number
in vec2 apex;        // how far beside the axis the tip is
in vec3 widths;      // from the axis to the sides
in vec3 otherWidths;
uniform float uSizes[GROUPS];
uniform float uBeats[GROUPS];
// Centroid: at its edge, a pixel's middle may lie outside of the crystal, where rays go astray.
centroid out vec3 vAt;        // within the crystal, whose radius is the unit and whose axis is the y axis
centroid out vec3 vRay;       // from the eye, there
out vec3 vPlace;     // in the cave
flat out vec3 vNormal;
flat out vec3 vWidths;
flat out vec3 vOtherWidths;
flat out vec4 vShape; // height, height of the tip, where the tip is
flat out vec3 vForce; // how bright it shines, random number, group
flat out mat3 vBack;  // from the crystal's axes to the cave's

vec2 side(int i) {
  float angle = float(i) * 1.04719755;
  return vec2(cos(angle), sin(angle));
}

void main() {
  int group = gl_InstanceID / ${CRYSTALS_PER_GROUP};
  float beat = uBeats[group];
  float growth = smoothstep(0.05, 0.95, uSizes[group]);
  float radius = shape.x * (mix(0.62, 1.15, growth) + 0.1 * beat);
  float height = shape.y * (mix(0.5, 1.05, growth) + 0.4 * beat) / radius; // a beat shoots them out
  vec3 along = axis.xyz;
  vec3 across = normalize(cross(abs(along.y) < 0.8 ? vec3(0.0, 1.0, 0.0) : vec3(1.0, 0.0, 0.0), along));
  vec3 other = cross(across, along);
  float c = cos(axis.w);
  float s = sin(axis.w);
  vBack = uTurn * mat3(c * across + s * other, along, c * other - s * across);

  float width[6] = float[6](widths.x, widths.y, widths.z, otherWidths.x, otherWidths.y, otherWidths.z);
  int edge = int(position.x);
  int next = edge == 5 ? 0 : edge + 1;
  // Where two sides meet.
  vec2 corner = ((width[edge] - 0.5 * width[next]) * side(edge) + (width[next] - 0.5 * width[edge]) * side(next)) / 0.75;
  float tip = shape.z;
  vAt = position.y > 1.5 ? vec3(apex.x, height, apex.y)
    : vec3(corner.x, position.y > 0.5 ? height - tip : 0.0, corner.y);

  int facet = int(position.z);
  int around = facet > 5 ? facet - 6 : facet;
  vec2 outwards = side(around);
  vNormal = facet > 5
    ? normalize(vec3(outwards.x * tip, width[around] - dot(outwards, apex), outwards.y * tip))
    : vec3(outwards.x, 0.0, outwards.y);
  vPlace = uTurn * root + vBack * vAt * radius;
  vRay = (vPlace - uCamera) * vBack;
  vWidths = widths;
  vOtherWidths = otherWidths;
  vShape = vec4(height, tip, apex);
  vForce = vec3(min(uSizes[group] + 0.3 * beat, 1.0), shape.w, float(group) + 0.5);
  gl_Position = project(vPlace);
}`;

export const CRYSTALS_SHADER = /* glsl */ `${HEADER}${SCENE}${CAVE}${GROUPS}${NOISE}
#define DENSER 1.5
centroid in vec3 vAt;
centroid in vec3 vRay;
in vec3 vPlace;
flat in vec3 vNormal;
flat in vec3 vWidths;
flat in vec3 vOtherWidths;
flat in vec4 vShape;
flat in vec3 vForce;
flat in mat3 vBack;
out vec4 outColor;

void main() {
  vec3 ray = normalize(vRay);
  vec3 normal = vNormal;
  float facing = max(-dot(ray, normal), 0.0);
  vec3 inside = refract(ray, normal, 1.0 / DENSER);

  // Through which facet the bent ray leaves, and how near the next facet's edge is.
  float width[6] = float[6](vWidths.x, vWidths.y, vWidths.z, vOtherWidths.x, vOtherWidths.y, vOtherWidths.z);
  float path = inside.y < -1e-4 ? vAt.y / -inside.y : 1e3;
  vec3 leaving = vec3(0.0, -1.0, 0.0);
  float nearest = 1e3;
  float edge = 1e3;
  for (int i = 0; i < 12; i++) {
    int around = i > 5 ? i - 6 : i;
    float angle = float(around) * 1.04719755;
    vec2 outwards = vec2(cos(angle), sin(angle));
    vec3 plane = vec3(outwards.x, 0.0, outwards.y);
    float reach = width[around];
    if (i > 5) {
      float aside = dot(outwards, vShape.zw);
      plane = vec3(outwards.x * vShape.y, reach - aside, outwards.y * vShape.y);
      float size = 1.0 / length(plane);
      plane *= size;
      reach = (vShape.y * aside + (reach - aside) * vShape.x) * size;
    }
    float away = max(reach - dot(plane, vAt), 0.0);
    float closing = dot(plane, inside);
    if (closing > 1e-4 && away / closing < path && dot(plane, normal) < 0.999) {
      path = away / closing;
      leaving = plane;
    }
    // The second nearest: the nearest is the facet itself.
    edge = min(edge, max(nearest, away));
    nearest = min(nearest, away);
  }

  int group = int(vForce.z);
  vec3 core = uCore[group];
  vec3 tip = uTip[group];
  vec3 halfway = vAt + inside * path * 0.5;
  float along = clamp(halfway.y / vShape.x, 0.0, 1.0);
  vec3 tint = mix(core, tip, along);

  vec3 through = refract(inside, -leaving, DENSER);
  if (dot(through, through) < 0.5) through = reflect(inside, leaving);
  // Clouds and cracks within.
  vec4 cloud = noise(halfway * vec3(1.3, 0.7, 1.3) + 31.0 * vForce.y);
  vec4 fine = noise(halfway * vec3(2.6, 0.9, 2.6) + 3.0 * cloud.xyz + 17.0 * vForce.y);
  float crack = 1.0 - abs(fine.w + 0.4 * cloud.x);
  crack *= crack * crack;
  crack *= crack;
  float milk = smoothstep(0.0, 1.0, 0.55 - along + 0.5 * cloud.y);

  vec3 clear = exp(-path * (0.42 + 0.6 * milk) * (1.1 - tint));
  vec3 light = surroundings(vBack * through) * clear * mix(vec3(1.0), tint * 1.45, 0.92) * (1.0 - 0.5 * milk);

  // The light within climbs from the foot.
  float beat = smoothstep(0.15, 0.95, vForce.x);
  float filled = 1.0 - exp(-path * 0.8);
  float climb = exp(-2.6 * along / (0.25 + 1.1 * beat));
  vec3 shine = mix(core, tip, smoothstep(0.0, 0.8, along)) * filled * climb * (0.16 + 2.1 * beat);
  shine *= 0.75 + 0.5 * cloud.z + 0.45 * crack;
  light += shine + tint * crack * 0.07 * (0.3 + beat);
  light += tint * milk * 0.12;

  // Upon it the cave is mirrored.
  float fresnel = 0.05 + 0.65 * pow(1.0 - facing, 5.0);
  vec3 mirrored = surroundings(vBack * reflect(ray, normal));
  light = mix(light, mirrored, fresnel);
  // Edges are never quite sharp: they catch light from everywhere.
  float pixel = fwidth(edge);
  float thin = 1.0 - smoothstep(0.0, max(0.04, 1.1 * pixel), edge);
  thin *= smoothstep(0.03, 0.3, facing); // facets seen from the side are too narrow for it
  light += (tint * 0.38 + mirrored * 0.35) * thin * (0.2 + 0.6 * beat) * clamp(0.09 / max(pixel, 0.001), 0.0, 1.0);

  light *= 0.25 + 0.75 * smoothstep(0.0, 2.2, vAt.y + 0.4 * cloud.x);
  light = mix(uFog, light, clearness(vPlace));
  light /= 1.0 + 0.22 * max(light.r, max(light.g, light.b)); // a glint must not outshine its pixel's other samples
  outColor = vec4(light / ${LIGHT_RANGE.toFixed(1)}, 1.0);
}`;

export const ROCK_VERTEX_SHADER = /* glsl */ `${HEADER}${SCENE}
in vec3 position;
out vec3 vStone; // on the rock
out vec3 vPlace; // in the cave
void main() {
  vStone = position;
  vPlace = uTurn * position;
  gl_Position = project(vPlace);
}`;

export const ROCK_SHADER = /* glsl */ `${HEADER}${SCENE}${CAVE}${GROUPS}${NOISE}
in vec3 vStone;
in vec3 vPlace;
out vec4 outColor;
uniform vec3 uDirections[GROUPS];
uniform float uLit[GROUPS];
void main() {
  vec3 toEye = normalize(uCamera - vPlace);
  vec3 normal = cross(dFdx(vPlace), dFdy(vPlace));
  normal *= sign(dot(normal, toEye)) * inversesqrt(max(dot(normal, normal), 1e-20));
  vec4 grain = layers(vStone * 6.0, 3);
  vec4 spots = noise(vStone * 31.0);
  normal = normalize(normal + 0.5 * grain.xyz + 0.2 * spots.xyz);
  vec3 stone = mix(vec3(0.06), uHaze * 0.25 + 0.10, smoothstep(-0.4, 0.5, grain.x)) * (0.75 + 0.5 * spots.w);
  vec3 light = stone * (0.6 * walls(normal, 6.0) + uHaze * 0.2);
  for (int i = 0; i < LAMPS; i++) {
    light += stone * uLamps[i] * max(dot(normal, uLampsAt[i]), 0.0);
    float shine = pow(max(dot(normal, normalize(uLampsAt[i] + toEye)), 0.0), 24.0);
    light += 0.10 * uLamps[i] * shine * smoothstep(0.2, 0.7, spots.x);
  }
  // The crystals shine on the stone that they grow out of, and their druse fills its cracks.
  vec3 own = normalize(vStone);
  for (int i = 0; i < GROUPS; i++) {
    float near = exp(4.0 * (dot(own, uDirections[i]) - 1.0));
    light += uCore[i] * near * uLit[i] * (2.0 * stone + 0.5 * grain.w * grain.w);
  }
  light = mix(uFog, light, clearness(vPlace));
  outColor = vec4(light / ${LIGHT_RANGE.toFixed(1)}, 1.0);
}`;

/** Dust that hangs in the cave's air, and splinters. */
export const DUST_VERTEX_SHADER = /* glsl */ `${HEADER}${SCENE}${GROUPS}
in vec4 position; // in the cave, and a random number
out vec4 vLight;
void main() {
  vec3 p = position.xyz + 0.22 * sin(uTime * (0.11 + 0.2 * fract(position.w * vec3(17.0, 31.0, 57.0))) + 60.0 * position.w);
  gl_Position = project(p);
  float blur = abs(gl_Position.w - uAway + 0.6);
  float size = (0.004 + 0.006 * pow(position.w, 8.0) + 0.008 * blur * blur) / (gl_Position.w * uTangent.y) * uPixels.y;
  float radius = clamp(size, 1.2, 0.03 * uPixels.y);
  float share = min(0.008 / (gl_Position.w * uTangent.y) * uPixels.y / radius, 1.0);
  gl_PointSize = 2.0 * radius;
  vec3 color = mix(uTip[int(position.w * 5.99)], vec3(0.8), 0.3);
  float twinkle = 0.6 + 0.4 * sin(uTime * (0.7 + position.w) + 90.0 * position.w);
  vLight = vec4(color * share * share * twinkle * 0.55 / ${LIGHT_RANGE.toFixed(1)}, 0.0);
}`;

export const DUST_SHADER = /* glsl */ `${HEADER}
in vec4 vLight;
out vec4 outColor;
void main() {
  vec2 p = gl_PointCoord * 2.0 - 1.0;
  outColor = vLight * (1.0 - smoothstep(0.1, 1.0, dot(p, p)));
}`;

/** What the cave's walls are made of, without colour. r, a: two kinds of haze, g: veins, b: the stone's relief. */
export const CAVE_TEXEL = /* glsl */ `${NOISE}
uniform vec3 uOffset;
vec4 texel(vec3 direction) {
  vec3 p = direction * vec3(2.2, 1.1, 2.2) + uOffset;
  vec4 flow = layers(p, 3);
  // Broken stone: each piece of the wall is the side of some block, lit its own way.
  vec3 q = p * vec3(2.4, 1.6, 2.4) + 0.5 * flow.xyz;
  vec4 stone = layers(q, 5);
  float nearest = 9.0;
  float second = 9.0;
  float tone = 0.0;
  vec3 cell = floor(q);
  for (int i = 0; i < 27; i++) {
    vec3 corner = cell + vec3(i % 3, (i / 3) % 3, i / 9) - 1.0;
    vec4 random = textureLod(uNoise, (corner + 0.5) / ${NOISE_SIZE.toFixed(1)}, 0.0);
    vec3 away = corner + random.xyz - q;
    float distance = length(away);
    float slope = random.w + 0.5 * dot(away, random.yzx - 0.5);
    if (distance < nearest) {
      second = nearest;
      nearest = distance;
      tone = slope;
    } else {
      second = min(second, distance);
    }
  }
  float block = clamp(tone, 0.0, 1.0) * smoothstep(0.0, 0.14, second - nearest);
  float haze = smoothstep(0.15, 1.0, 0.5 + 0.9 * flow.x);
  float other = smoothstep(0.2, 1.0, 0.5 + 0.9 * flow.y);
  float vein = smoothstep(0.35, 0.95, stone.w);
  return clamp(vec4(haze, vein, 0.08 + 0.62 * block + 0.3 * stone.x, other), 0.0, 1.0);
}`;

/** All together, before the cave, developed. */
export const PICTURE_SHADER = /* glsl */ `${HEADER}${DEVELOP}${DITHER}${CAVE}${NOISE}
in vec2 vClip;
out vec4 outColor;
uniform sampler2D uScene;
uniform sampler2D uGlow;
uniform mat3 uView;
uniform vec2 uTangent;
uniform float uTime;
uniform float uExposure;
void main() {
  vec2 p = vClip * 0.5 + 0.5;
  vec3 ray = normalize(vec3(vClip * uTangent, -1.0)) * uView;
  vec3 light = walls(ray, 0.0) * 0.65;
  // Light falls in from above, through mist.
  vec4 mist = noise(vec3(vClip * uTangent * 4.0, 0.3 * uTime) + vec3(0.4 * uTime, 0.0, 0.0));
  vec2 off = vClip * vec2(0.8, 0.75);
  light += (0.6 * uHaze + 0.6 * uOtherHaze) * exp(-2.6 * dot(off, off)) * (0.30 + 0.14 * mist.x);
  float shaft = vClip.x * uTangent.x / uTangent.y - 0.35 * (vClip.y - 1.0) + 0.5 * sin(0.8 * uTime);
  float beam = exp(-pow(shaft + 0.5, 2.0) * 9.0) + 0.7 * exp(-pow(shaft - 0.45, 2.0) * 16.0);
  light += uHaze * beam * smoothstep(-0.9, 1.1, vClip.y) * (0.24 + 0.12 * mist.y);

  // Below lies still water in the mist, in which the lights are mirrored.
  float depth = smoothstep(-0.52, -1.0, vClip.y);
  vec2 ripple = 0.006 * noise(vec3(vClip.x * 3.0, vClip.y * 26.0, 0.25 * uTime)).xy;
  vec3 mirrored = texture(uGlow, vec2(p.x, 0.40 - 1.5 * p.y) + ripple).rgb;
  light = mix(light, light * 0.55 + ${LIGHT_RANGE.toFixed(1)} * 0.75 * mirrored, depth);

  vec4 things = texture(uScene, p);
  vec4 glow = texture(uGlow, p);
  light = light * (1.0 - things.a) + ${LIGHT_RANGE.toFixed(1)} * (things.rgb + 0.55 * glow.rgb);
  vec2 corner = vClip * vec2(0.75, 0.7);
  light *= 1.0 - 0.45 * smoothstep(0.25, 1.05, dot(corner, corner));
  outColor = vec4(dither(encodeSrgb(toneMap(light * uExposure))), 1.0);
}`;
