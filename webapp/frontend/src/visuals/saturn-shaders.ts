import { LIGHT_RANGE } from "./scene-pass";
import { DEVELOP, DITHER, HEADER, NOISE } from "./shader-chunks";

/**
 * The scene as every shader sees it: the planet's middle is the origin, its axis the y axis; the camera looks at it
 * from `uCamera`. Lengths are in units of the scene.
 */
const SCENE = /* glsl */ `
uniform mat3 uView;        // from the planet's axes to the camera's
uniform float uAway;       // from the camera to the planet's middle
uniform vec2 uTangent;     // of half the angle that the picture covers, horizontally and vertically
uniform vec2 uPixels;      // of the picture
uniform vec3 uCamera;
uniform vec3 uSun;         // the direction of its light
uniform float uTime;
uniform float uRadius;     // of the planet
uniform vec2 uEdges;       // the disc's inner and outer radius
uniform float uTravel;     // of the disc's rotation
uniform float uHit;        // how hard the last beat was
uniform sampler2D uProfile;
uniform vec3 uSunLight;
uniform vec3 uPlanetShine; // what the planet throws back
uniform vec3 uIce;
uniform vec3 uRock;

// Small pictures show no single lumps: what they would show is noise.
float coarse() {
  return 1.0 - smoothstep(60.0, 300.0, uPixels.y);
}

vec4 project(vec3 p) {
  vec3 seen = uView * p;
  float ahead = uAway - seen.z;
  const float NEAR = 0.3;
  const float FAR = 16.0;
  seen.y += 0.15; // perspective makes the disc's near side larger: raised a little, all of it sits in the middle
  return vec4(seen.xy / uTangent, (ahead * (FAR + NEAR) - 2.0 * FAR * NEAR) / (FAR - NEAR), ahead);
}

// The share of the sun's light that passes the planet.
float sunBesidePlanet(vec3 p) {
  float along = dot(p, uSun);
  float missed = length(p - uSun * along);
  float blur = 0.03 - 0.05 * min(along, 0.0);
  return along > 0.0 ? 1.0 : smoothstep(uRadius - blur, uRadius + blur, missed);
}
`;

/** Where things in the disc are: shared by all of its parts, so that they move together. */
const DISC = /* glsl */ `
uniform float uSwing;
uniform float uSize;       // of the lumps, and of the dust

// The disc swings like a skirt: waves that run around it, and shocks that travel outwards.
vec2 swing(float place, float angle) {
  float height = 0.34 * uSwing * uSwing * (0.35 + 0.65 * place);
  float first = 2.0 * angle - 2.2 * uTime - 2.2 * place;
  float second = 3.0 * angle + 1.4 * uTime + 3.0 * place;
  float shock = 9.0 * place - 5.0 * uTime;
  // Height, and how steeply it rises around the disc.
  return height * vec2(sin(first) + 0.4 * sin(second) + 0.5 * sin(shock), 2.0 * cos(first) + 1.2 * cos(second));
}

// And light travels with the shocks, in arms like a galaxy's that turn with the disc.
float crest(float place, float angle) {
  float wave = 0.5 + 0.5 * sin(2.0 * (angle - 0.6 * uTravel) + 7.0 * place - 6.0 * uTime);
  return 0.4 + (1.2 + 0.5 * uHit) * wave * wave;
}

// Kepler's law: the inner parts overtake the outer ones. It knows the places and not the radii, which a beat may
// change, or the whole past would have to be another one.
float orbit(float place) {
  float radius = 1.0 + 0.75 * place;
  return uTravel / (radius * sqrt(radius));
}
`;

/** Waves on the planet's surface: broad ones that bulge it, fine ones that grow spikes. */
const RELIEF = /* glsl */ `
uniform vec4 uBroad[5]; // direction times frequency, and phase
uniform vec4 uFine[6];
uniform float uMorph;
#define HIGHEST 0.4

// xyz: the slope, w: the height, at a direction from the middle, for a force in [0, 1].
vec4 relief(vec3 direction, float force) {
  vec4 broad = vec4(0.0);
  for (int i = 0; i < 5; i++) {
    float phase = dot(uBroad[i].xyz, direction) + uBroad[i].w + uTime * (0.8 + 0.2 * float(i));
    broad += vec4(uBroad[i].xyz * cos(phase), sin(phase)) / 5.0;
  }
  vec4 fine = vec4(0.0);
  for (int i = 0; i < 6; i++) {
    float phase = dot(uFine[i].xyz, direction) + uFine[i].w + uTime * (1.0 - 0.34 * float(i));
    fine += vec4(uFine[i].xyz * cos(phase), sin(phase)) / 6.0;
  }
  // Where many waves meet, crests become spikes.
  float spike = exp(3.0 * fine.w);
  vec4 spikes = vec4(fine.xyz * 3.0 * spike, spike - 0.9);
  vec4 shape = 0.34 * force * force * broad + 0.09 * force * force * force * spikes;
  // However the waves meet, the highest crest stays within the disc.
  float limited = HIGHEST * tanh(shape.w / HIGHEST);
  return vec4(shape.xyz * (1.0 - limited * limited / (HIGHEST * HIGHEST)), limited);
}
`;

/** A light far behind everything, as a point. */
export const STARS_VERTEX_SHADER = /* glsl */ `${HEADER}${SCENE}
in vec4 position; // across the picture's height, and two random numbers
out vec3 vLight;
void main() {
  float drift = uTime;
  vec2 p = position.xy + vec2(drift, 0.0);
  p.x = mod(p.x + 2.0, 4.0) - 2.0;
  float rarity = pow(position.z, 6.0);
  float radius = (0.0015 + 0.0030 * rarity) * uPixels.y;
  float share = min(radius / 1.3, 1.0);
  radius = max(radius, 1.3);
  float twinkle = 0.8 + 0.2 * sin(uTime * (0.6 + 1.5 * position.w) + 50.0 * position.w);
  vec3 tint = mix(vec3(1.0, 0.8, 0.62), vec3(0.72, 0.84, 1.0), position.w);
  vLight = tint * twinkle * share * share * (0.12 + 1.6 * rarity) / ${LIGHT_RANGE.toFixed(1)};
  gl_PointSize = 2.0 * radius;
  gl_Position = vec4(p * vec2(uPixels.y / uPixels.x, 1.0) * max(1.0, uPixels.x / uPixels.y * 0.56), 0.9999, 1.0);
}`;

export const STARS_SHADER = /* glsl */ `${HEADER}
in vec3 vLight;
out vec4 outColor;
void main() {
  vec2 p = gl_PointCoord * 2.0 - 1.0;
  float away2 = dot(p, p);
  outColor = vec4(vLight * exp(-4.5 * away2) * (1.0 - smoothstep(0.7, 1.0, away2)), 0.0);
}`;

/** The planet, or the air around it: the same shape, a little larger. */
export const PLANET_VERTEX_SHADER = /* glsl */ `${HEADER}${SCENE}${RELIEF}
in vec3 position; // on the unit sphere
uniform float uInflated;
out vec3 vDirection;
out vec3 vNormal;
out vec3 vPlace;
out float vForce;
out float vHeight;
void main() {
  vDirection = position;
  vForce = uMorph;
  vec4 shape = relief(position, uMorph);
  vec3 slope = shape.xyz - position * dot(shape.xyz, position);
  vHeight = shape.w;
  vNormal = normalize(position * (1.0 + shape.w) - slope);
  vPlace = position * (uRadius * (1.0 + shape.w) * vec3(1.0, 0.95, 1.0)) * (1.0 + uInflated);
  gl_Position = project(vPlace);
}`;

export const PLANET_SHADER = /* glsl */ `${HEADER}${SCENE}
in vec3 vDirection;
in vec3 vNormal;
in vec3 vPlace;
in float vForce;
in float vHeight;
out vec4 outColor;
uniform samplerCube uClouds;
uniform sampler2D uBands;
uniform vec3 uDark;
uniform vec3 uMiddle;
uniform vec3 uLight;
uniform vec3 uOther;
uniform vec3 uAir;

vec4 cloudsAt(vec3 direction, float angle) {
  float c = cos(angle);
  float s = sin(angle);
  return texture(uClouds, vec3(c * direction.x + s * direction.z, direction.y, c * direction.z - s * direction.x));
}

void main() {
  vec3 direction = normalize(vDirection);
  vec3 normal = normalize(vNormal);
  vec3 toEye = normalize(uCamera - vPlace);

  // Winds blow along the bands. They must not wind up for ever, so two copies of the clouds take turns: each is blown
  // along for a while, and set back while only the other one can be seen.
  float latitude = 0.5 + asin(clamp(direction.y, -1.0, 1.0)) / 3.14159265;
  vec4 windy = texture(uBands, vec2(latitude, 0.5));
  float wind = windy.a - 0.5;
  const float TURN_SECONDS = 24.0;
  float turns = uTime / TURN_SECONDS;
  vec2 phase = fract(vec2(turns, turns + 0.5)) - 0.5;
  float spin = 0.5 * uTime;
  vec4 first = cloudsAt(direction, spin + 1.1 * wind * phase.x);
  vec4 second = cloudsAt(direction, spin + 1.1 * wind * phase.y + 2.0);
  vec4 clouds = mix(first, second, 2.0 * abs(phase.x));

  float warp = (clouds.r - 0.5) * 0.10 + (clouds.g - 0.5) * 0.035;
  vec4 band = texture(uBands, vec2(clamp(latitude + warp * (0.4 + windy.b), 0.0, 1.0), 0.5));
  float tone = clamp(band.r + (clouds.g - 0.5) * 1.0 * band.b + (clouds.b - 0.5) * 0.5, 0.0, 1.0);
  vec3 color = tone < 0.5 ? mix(uDark, uMiddle, tone * 2.0) : mix(uMiddle, uLight, tone * 2.0 - 1.0);
  color = mix(color, uOther, 0.75 * band.g * smoothstep(0.35, 0.75, clouds.b));
  color = mix(color, uLight, 0.6 * clouds.a * clouds.a);
  color *= 1.0 + 1.1 * clamp(vHeight, -0.4, 0.45); // valleys lie in shade

  // The clouds' own height bends the light a little.
  vec3 bump = vec3(dFdx(tone), dFdy(tone), 0.0) * uView;
  normal = normalize(normal - 0.0005 * uPixels.y * bump);

  // The disc's shadow.
  float lit = 1.0;
  float reach = -vPlace.y / uSun.y;
  if (reach > 0.0) {
    vec3 crossing = vPlace + uSun * reach;
    float place = (length(crossing.xz) - uEdges.x) / (uEdges.y - uEdges.x);
    lit -= 0.78 * texture(uProfile, vec2(place, 0.5)).r * smoothstep(0.0, 0.01, place) * (1.0 - smoothstep(0.99, 1.0, place));
  }

  float cosine = dot(normal, uSun);
  // The air carries some light beyond the terminator, reddened.
  float day = smoothstep(-0.18, 0.9, cosine);
  vec3 dusk = mix(vec3(1.0, 0.55, 0.35), vec3(1.0), smoothstep(-0.1, 0.4, cosine));
  float facing = max(dot(normal, toEye), 0.0);
  vec3 light = color * uSunLight * day * dusk * lit * (0.55 + 0.45 * facing);

  vec3 halfway = normalize(uSun + toEye);
  float gloss = pow(max(dot(normal, halfway), 0.0), 46.0) * (0.04 + 0.5 * vForce * vForce);
  light += uSunLight * gloss * lit * smoothstep(0.0, 0.2, cosine);

  // The night is not black: the disc and the nebulae shine on it, and its crests glow when it is stirred.
  light += color * (0.030 + 0.05 * max(-normal.y * sign(uSun.y), 0.0));
  light += uOther * 0.5 * smoothstep(0.06, 0.4, vHeight) * vForce * vForce;
  float rim = pow(1.0 - facing, 3.0);
  light += uAir * rim * (0.10 + 1.5 * smoothstep(-0.35, 0.6, cosine));
  outColor = vec4(light / ${LIGHT_RANGE.toFixed(1)}, 1.0);
}`;

/** The air beyond the planet's edge. */
export const AIR_SHADER = /* glsl */ `${HEADER}${SCENE}
in vec3 vDirection;
in vec3 vNormal;
in vec3 vPlace;
in float vForce;
in float vHeight;
out vec4 outColor;
uniform float uInflated;
uniform vec3 uAir;
void main() {
  vec3 normal = normalize(vNormal);
  float facing = dot(normal, normalize(uCamera - vPlace));
  if (facing <= 0.0) discard;
  // Where the planet's own edge shows through.
  float edge = sqrt(1.0 - 1.0 / ((1.0 + uInflated) * (1.0 + uInflated)));
  float outside = facing / edge;
  float air = outside < 1.0 ? outside * outside * outside : exp(-9.0 * (facing - edge));
  air *= 1.0 - 0.6 * vForce; // spikes reach out of it
  float day = smoothstep(-0.4, 0.7, dot(normal, uSun));
  outColor = vec4(uAir * air * (0.02 + 0.75 * day) / ${LIGHT_RANGE.toFixed(1)}, 0.0);
}`;

/** What the planet's clouds are made of, without colour. r: slow drift of the bands, g: eddies, b: streaks, a: storms. */
export const CLOUDS_TEXEL = /* glsl */ `${NOISE}
uniform vec3 uOffset;
vec4 texel(vec3 direction) {
  vec3 p = direction * 2.1 + uOffset;
  vec3 flow = layers(p * vec3(1.0, 1.7, 1.0), 3).xyz;
  vec3 bent = p * vec3(1.6, 4.2, 1.6) + flow * vec3(1.5, 0.5, 1.5);
  vec4 eddies = layers(bent, 5);
  vec4 curls = layers(bent * 2.3 + 1.6 * eddies.xyz, 4);
  vec4 streaks = noise(vec3(p.x, p.y * 16.0 + 2.0 * flow.y, p.z) * vec3(0.7, 1.0, 0.7) + 1.2 * eddies.yzx);
  float storms = smoothstep(0.45, 0.95, curls.w) * smoothstep(0.05, 0.5, flow.z + eddies.x);
  return clamp(vec4(0.5 + 0.9 * flow.x, 0.5 + 0.55 * eddies.x + 0.35 * curls.y, 0.5 + 0.3 * streaks.x + 0.35 * eddies.z, storms), 0.0, 1.0);
}`;

/** One of the disc's lumps, lit by the sun and the planet. */
export const LUMPS_VERTEX_SHADER = /* glsl */ `${HEADER}${SCENE}${DISC}
in vec3 position; // a corner of a body of radius one
in vec4 lump;     // place in the disc, angle, height, and a random number
out vec3 vPlace;
flat out vec3 vColor;
flat out float vShade; // it does not change across such a small thing

mat3 turned(vec3 axis, float angle) {
  float c = cos(angle);
  float s = sin(angle);
  vec3 t = (1.0 - c) * axis;
  return mat3(t.x * axis + vec3(c, s * axis.z, -s * axis.y), t.y * axis + vec3(-s * axis.z, c, s * axis.x),
    t.z * axis + vec3(s * axis.y, -s * axis.x, c));
}

void main() {
  float angle = lump.y + orbit(lump.x);
  float radius = mix(uEdges.x, uEdges.y, lump.x);
  float random = lump.w;
  vec3 other = fract(random * vec3(17.31, 41.73, 97.57));

  float rarity = pow(other.x, 7.0);
  float size = mix(0.010, 0.038, uSize * uSize * (3.0 - 2.0 * uSize)) * (0.42 + 0.5 * other.y + 2.1 * rarity);
  // No two are alike: each is stretched its own way, and its corners are broken off.
  vec3 stretch = 0.65 + 0.6 * fract(random * vec3(23.7, 57.9, 71.3));
  stretch *= 0.78 + 0.44 * fract(float(gl_VertexID) * 0.618 + random * 131.7);
  mat3 tumble = turned(normalize(other - 0.4), uTime * (0.3 + 1.1 * other.z) + 40.0 * random);
  vec3 middle = vec3(radius * cos(angle), lump.z + swing(lump.x, angle).x, radius * sin(angle));
  vPlace = middle + tumble * (position * stretch) * size;
  vShade = sunBesidePlanet(middle);
  vColor = mix(uIce, uRock, smoothstep(0.35, 0.75, other.z)) * (0.30 + 0.95 * other.y);
  vColor = mix(vColor, vec3(dot(vColor, vec3(0.3333)) * 1.1), 0.3 * rarity);
  vColor = mix(vColor, 0.7 * mix(uIce, uRock, 0.4), coarse()) * crest(lump.x, angle);
  gl_Position = project(vPlace);
}`;

export const LUMPS_SHADER = /* glsl */ `${HEADER}${SCENE}
in vec3 vPlace;
flat in vec3 vColor;
flat in float vShade;
out vec4 outColor;
void main() {
  vec3 toEye = normalize(uCamera - vPlace);
  vec3 normal = cross(dFdx(vPlace), dFdy(vPlace)); // flat sides
  normal *= sign(dot(normal, toEye)) * inversesqrt(max(dot(normal, normal), 1e-20));
  normal = normalize(mix(normal, vec3(0.0, sign(toEye.y), 0.0), 0.9 * coarse()));
  float cosine = dot(normal, uSun);
  vec3 light = vColor * uSunLight * (0.06 + max(cosine, 0.0)) * vShade;
  // Light that has wandered through the ice.
  light += vColor * vColor * uSunLight * 0.28 * (0.5 - 0.5 * cosine) * vShade;
  float shine = pow(max(dot(normal, normalize(uSun + toEye)), 0.0), 24.0);
  light += uSunLight * shine * 0.5 * vShade;
  float away2 = dot(vPlace, vPlace);
  light += vColor * uPlanetShine * max(dot(normal, -vPlace) * inversesqrt(away2), 0.0) * uRadius * uRadius / away2;
  light += vColor * 0.06;
  outColor = vec4(light / ${LIGHT_RANGE.toFixed(1)}, 1.0);
}`;

/** Dust between the lumps, as points. */
export const DUST_VERTEX_SHADER = /* glsl */ `${HEADER}${SCENE}${DISC}
in vec4 position; // place in the disc, angle, height, and a random number
out vec4 vLight;
void main() {
  float angle = position.y + orbit(position.x);
  float radius = mix(uEdges.x, uEdges.y, position.x);
  vec3 p = vec3(radius * cos(angle), position.z + swing(position.x, angle).x, radius * sin(angle));
  gl_Position = project(p);
  float size = 0.0034 * (0.4 + position.w) * (0.7 + 0.9 * uSize) / (gl_Position.w * uTangent.y) * uPixels.y;
  float share = min(size / 1.1, 1.0);
  gl_PointSize = 2.0 * max(size, 1.1);
  vec3 toEye = normalize(uCamera - p);
  float ahead = max(-dot(toEye, uSun), 0.0);
  float lit = sunBesidePlanet(p) * (0.55 + 1.2 * ahead * ahead);
  vec3 color = mix(uIce, uRock, fract(position.w * 37.3)) * crest(position.x, angle);
  float spark = 1.0 + 3.0 * pow(max(sin(uTime * 1.3 + 90.0 * position.w), 0.0), 24.0);
  vLight = vec4(color * (uSunLight * lit * spark + 0.04) / ${LIGHT_RANGE.toFixed(1)}, 0.8) * share * share;
}`;

export const DUST_SHADER = /* glsl */ `${HEADER}
in vec4 vLight;
out vec4 outColor;
void main() {
  vec2 p = gl_PointCoord * 2.0 - 1.0;
  float near = max(1.0 - dot(p, p), 0.0);
  outColor = vLight * near;
}`;

/** What is too fine to be seen as grains: a sheet of haze. */
export const SHEET_VERTEX_SHADER = /* glsl */ `${HEADER}${SCENE}${DISC}
in vec3 position; // place in the disc, angle
out vec3 vPlace;
out float vAt;
out float vSlope;
out float vCrest;
void main() {
  vAt = position.x;
  float angle = position.y;
  float radius = mix(uEdges.x, uEdges.y, vAt);
  vec2 wave = swing(vAt, angle);
  vPlace = vec3(radius * cos(angle), wave.x, radius * sin(angle));
  vSlope = wave.y / radius;
  vCrest = crest(vAt, angle);
  gl_Position = project(vPlace);
}`;

export const SHEET_SHADER = /* glsl */ `${HEADER}${SCENE}
in vec3 vPlace;
in float vAt;
in float vSlope;
in float vCrest;
out vec4 outColor;
void main() {
  vec3 toEye = normalize(uCamera - vPlace);
  vec3 around = normalize(vec3(-vPlace.z, 0.0, vPlace.x));
  vec3 normal = normalize(vec3(0.0, 1.0, 0.0) - vSlope * around);
  float density = texture(uProfile, vec2(vAt, 0.5)).r;
  // The flatter one looks, the more of it is in the way.
  float grazing = max(abs(dot(normal, toEye)), 0.12);
  float cover = 1.0 - exp(-mix(0.6, 2.0, coarse()) * density * density / grazing);
  float sunny = dot(normal, uSun);
  float sameSide = smoothstep(-0.05, 0.25, sunny * sign(dot(normal, toEye)));
  float ahead = max(-dot(toEye, uSun), 0.0);
  vec3 color = mix(uRock, uIce, 0.25 + 0.75 * density) * vCrest;
  vec3 light = color * uSunLight * (0.20 + 0.75 * abs(sunny) * sameSide + 0.9 * ahead * ahead * ahead) * sunBesidePlanet(vPlace);
  float away2 = dot(vPlace, vPlace);
  light += color * (uPlanetShine * 0.25 * uRadius * uRadius / away2 + 0.02);
  outColor = vec4(light / ${LIGHT_RANGE.toFixed(1)}, 1.0) * cover;
}`;

/** All together, before the nebulae, developed. */
export const PICTURE_SHADER = /* glsl */ `${HEADER}${DEVELOP}${DITHER}
in vec2 vClip;
out vec4 outColor;
uniform sampler2D uScene;
uniform sampler2D uGlow;
uniform samplerCube uSky;
uniform mat3 uSkyTurn;
uniform vec2 uTangent;
uniform vec2 uPixels;
uniform vec3 uSunward; // where the sun is, seen from the camera
uniform vec3 uSunLight;
uniform vec3 uGas;
uniform vec3 uOtherGas;
uniform float uExposure;

float brightness(vec4 seen) {
  return sqrt(dot(seen.rgb, vec3(0.3, 0.6, 0.1))) + 0.25 * seen.a;
}

// The scene has no samples between its pixels. Along its edges, found by how brightness changes, neighbours are mixed:
// what stairs are made of lies along an edge, and detail is left alone.
vec4 smoothEdges(vec2 p) {
  vec2 pixel = 1.0 / uPixels;
  vec4 middle = texture(uScene, p);
  vec4 a = texture(uScene, p + pixel * vec2(-0.5, -0.5));
  vec4 b = texture(uScene, p + pixel * vec2(0.5, -0.5));
  vec4 c = texture(uScene, p + pixel * vec2(-0.5, 0.5));
  vec4 d = texture(uScene, p + pixel * vec2(0.5, 0.5));
  vec4 bright = vec4(brightness(a), brightness(b), brightness(c), brightness(d));
  vec2 slope = vec2(bright.y + bright.w - bright.x - bright.z, bright.z + bright.w - bright.x - bright.y);
  float steepness = length(slope);
  if (steepness < 0.05) return middle;
  vec2 along = vec2(-slope.y, slope.x) / steepness * pixel;
  vec4 mean = 0.25 * (texture(uScene, p + 0.6 * along) + texture(uScene, p - 0.6 * along)
    + texture(uScene, p + 1.6 * along) + texture(uScene, p - 1.6 * along));
  return mix(middle, 0.75 * mean + 0.0625 * (a + b + c + d), smoothstep(0.05, 0.2, steepness));
}

void main() {
  vec2 p = vClip * 0.5 + 0.5;
  vec3 ray = normalize(vec3(vClip * uTangent, -1.0));
  vec4 stored = textureLod(uSky, uSkyTurn * ray, 0.0);
  vec4 share = stored * stored;
  vec3 sky = uGas * (share.r + 0.05 + 0.06 * share.b) + uOtherGas * (share.a + 0.04) + (uGas + uOtherGas) * 0.6 * share.g;
  // The sun is outside of the picture; its glow reaches in.
  vec2 toSun = vClip - normalize(uSunward.xy) * vec2(1.15, 1.25);
  sky += uSunLight * 0.014 * exp(-2.6 * dot(toSun, toSun));
  vec4 glow = texture(uGlow, p);
  vec4 things = glow.a > 0.004 ? smoothEdges(p) : texture(uScene, p); // nothing is near: no edges
  vec3 light = sky * (1.0 - things.a) + ${LIGHT_RANGE.toFixed(1)} * (things.rgb + 0.5 * glow.rgb);
  vec2 corner = vClip * vec2(0.75, 0.7);
  light *= 1.0 - 0.45 * smoothstep(0.25, 1.05, dot(corner, corner));
  outColor = vec4(dither(encodeSrgb(toneMap(light * uExposure))), 1.0);
}`;
