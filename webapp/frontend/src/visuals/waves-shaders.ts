import { DEVELOP, DITHER, HEADER } from "./shader-chunks";

/** How often the plane is sheared. Each time costs a sine and a cosine for every pixel. */
export const SHEARS = 7;

/**
 * A liquid whose surface is combed like paper for marbling: a plane is sheared along sine waves, again and again, and
 * the contour lines of a simple pattern on it become waves. Every step has a simple derivative, so the surface's slope
 * is exact without a second look.
 */
export const WAVES_SHADER = /* glsl */ `${HEADER}${DEVELOP}${DITHER}
#define SHEARS ${SHEARS}
in vec2 vClip;
out vec4 outColor;
uniform vec2 uExtent;          // half of the picture's width and height
uniform float uPixel;          // size of a pixel
uniform vec4 uShears[SHEARS];  // direction of the shift times its amplitude; direction across it times the frequency
uniform float uPhases[SHEARS];
uniform vec2 uPattern;         // phases of the pattern that is sheared
uniform float uDensity;        // radians of wave for one unit of the pattern
uniform float uFlow;           // radians that the waves have come
uniform float uPulse;          // brings the middle nearer and turns the hue
uniform float uRelief;
uniform float uHue;            // turns
uniform float uChroma;
uniform float uBrightness;
uniform float uCrests;         // light on the crests
uniform float uColors;         // how far the waves' colours are apart
uniform float uVariation;      // how far the hue wanders over the picture
uniform vec3 uLight;           // direction of the light

// OKLCH, without care for colours that a screen cannot show.
vec3 oklch(float lightness, float chroma, float hue) {
  vec2 ab = chroma * vec2(cos(6.2831853 * hue), sin(6.2831853 * hue));
  vec3 cones = lightness + mat2x3(0.3963377774, -0.1055613458, -0.0894841775,
                                  0.2158037573, -0.0638541728, -1.2914855480) * ab;
  cones *= cones * cones;
  return max(mat3(4.0767416621, -1.2684380046, -0.0041960863, -3.3077115913, 2.6097574011, -0.7034186147,
                  0.2309699292, -0.3413193965, 1.7076147010) * cones, 0.0);
}

void main() {
  vec2 p = vClip * uExtent;
  // An onset comes up from beneath: the cloth bulges in the middle, and all of it comes nearer.
  vec2 held = p * (1.0 - uPulse * (0.18 + 0.3 * exp(-2.0 * dot(p, p))));

  // Where the pixel comes from, and how that changes with x and with y.
  vec2 q = held;
  mat2 J = mat2(1.0);
  for (int i = 0; i < SHEARS; i++) {
    vec4 shear = uShears[i];
    float angle = dot(q, shear.zw) + uPhases[i];
    J += outerProduct(shear.xy, (cos(angle) * shear.zw) * J);
    q += sin(angle) * shear.xy;
  }

  // The pattern, [-1, 1]: hills and hollows on a grid that the shears have long since bent out of sight.
  vec2 waves = sin(1.9 * q + uPattern);
  float hill = 0.5 * (waves.x + waves.y);
  vec2 hillSlope = (0.95 * cos(1.9 * q + uPattern)) * J;

  // Waves along its contour lines. Their fronts are steeper than their backs, like folds of silk.
  float phase = uDensity * hill - uFlow;
  float lean = phase + 0.62 * cos(phase);
  float wave = sin(lean);
  vec2 phaseSlope = uDensity * hillSlope;
  float steepness = length(phaseSlope);
  // Waves too narrow for the pixels are not drawn.
  float clear = 1.0 - smoothstep(0.3, 1.2, steepness * uPixel);
  float rise = cos(lean) * (1.0 - 0.62 * sin(phase)) * clear;
  // The troughs are combed finely, the crests are smooth.
  float valley = 0.5 - 0.5 * wave * clear;
  float teeth = 7.0 * phase;
  float combed = valley * valley * (1.0 - smoothstep(0.25, 0.9, 7.0 * steepness * uPixel));
  float comb = combed * cos(teeth);
  vec2 slope = uRelief * ((rise + 1.1 * comb) * phaseSlope / (1.5 + 0.22 * steepness) + 0.55 * hillSlope);
  vec3 normal = normalize(vec3(-slope, 1.0));

  // The waves' two colours, and a hue that wanders with the hills.
  float parity = sin(0.5 * phase + 0.6) * clear;
  float tilt = 1.0 - normal.z;
  float hue = uHue + uVariation * (0.6 * hill + 0.25 * (waves.x - waves.y)) + uColors * 0.5 * parity
    + 0.16 * tilt; // a thin film: its colour depends on the angle
  // Only steep waves are dark and light: a wide one that comes by would take the whole picture with it.
  float steep = steepness * steepness / (steepness * steepness + 60.0);
  float depth = 1.0 - 0.6 * steep * valley * valley;
  // Yellow is mud unless it is light, blue is milk unless it is dark.
  float lightness = 0.63 * depth + 0.04 * steep * parity + 0.06 * cos(6.2831853 * (hue - 0.27)) + 0.04 * combed * sin(teeth);
  // An onset turns the hue, and leaves the lightness alone: the picture does not flash.
  hue += 0.09 * uPulse;
  vec3 body = oklch(lightness, uChroma * (0.75 + 0.35 * valley), hue);

  // Light from one side, and a sheen like that of silk where the surface turns away.
  vec3 toEye = normalize(vec3(-0.35 * p, 1.6));
  float lambert = dot(normal, uLight);
  float diffuse = max(0.25 + 0.75 * lambert, 0.0);
  vec3 halfway = normalize(uLight + toEye);
  float gloss = max(dot(normal, halfway), 0.0);
  float gloss2 = gloss * gloss;
  float gloss8 = gloss2 * gloss2 * gloss2 * gloss2;
  float gloss32 = gloss8 * gloss8 * gloss8 * gloss8;
  // Where the surface bends too much within a pixel, its reflections would break into dots.
  vec3 bend = fwidth(normal);
  float sharp = gloss32 * gloss8 / (1.0 + 12.0 * dot(bend, bend));
  float grazing = 1.0 - max(dot(normal, toEye), 0.0);
  float opposite = max(dot(normal, normalize(vec3(-uLight.xy, 0.35))), 0.0);

  vec3 sheenColor = oklch(0.82, 0.7 * uChroma, hue + 0.22);
  float crest = 1.0 - valley;
  crest *= crest * crest * crest;
  vec3 light = body * diffuse * (1.15 + 0.65 * uCrests * steep * crest);
  light += sheenColor * (0.9 * grazing * grazing * (0.3 + 0.7 * diffuse) + 0.22 * opposite * opposite);
  light += (vec3(0.5) + 0.5 * sheenColor) * (0.10 * gloss8 + 0.8 * uCrests * gloss32 * sharp);

  vec2 corner = vClip * vec2(0.75, 0.72);
  light *= 1.0 - 0.55 * smoothstep(0.2, 1.1, dot(corner, corner));
  outColor = vec4(dither(encodeSrgb(toneMap(light * uBrightness))), 1.0);
}`;
