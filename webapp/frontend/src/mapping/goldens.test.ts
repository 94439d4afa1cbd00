/** The mapping as Python has it: every number of tests/mapping/goldens.json, which says how it is made. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ONSETS, ONSETS_SIZE, onsetsOf } from "../analysis/onsets";
import type { TimeAxis } from "../analysis/segments";
import { BundleError, parseMappings, type Mapping, type Mappings } from "../bundle";
import { project } from "./project";
import { finestAxis, movingColumns, writeRow } from "./rows";
import { fitToTrack, scale } from "./scale";
import { ParameterTrack, type EncodingBlock, type TrackEncoder } from "./track";

interface Series {
  readonly times: number[];
  readonly values: number[][];
}

interface GoldenMappings {
  readonly encoders: Readonly<
    Record<string, { readonly encoding_size: number; readonly step_seconds: number }>
  >;
  readonly values: unknown;
}

interface GoldenTrack {
  readonly name: string;
  readonly mappings: string;
  readonly encodings: Readonly<Record<string, Series>>;
  readonly expected: readonly {
    readonly projection: string;
    readonly times: number[];
    readonly rows: number[][];
    readonly parameters: readonly {
      readonly mode: string;
      readonly method: string;
      readonly values: number[][];
    }[];
  }[];
}

interface GoldenTime {
  readonly name: string;
  readonly settings: unknown;
  readonly times: number[];
  readonly rows: number[][];
  readonly duration_seconds: number;
  readonly frame_times: number[];
  readonly parameters: number[][];
}

interface GoldenMotion extends GoldenTime {
  readonly onsets: {
    readonly first_seconds: number;
    readonly step_seconds: number;
    readonly values: number[][];
  };
  readonly rates: number[];
  readonly pulses: number[];
}

interface Goldens {
  readonly onsets: {
    readonly sample_rate_hz: number;
    readonly hop_length: number;
    readonly n_mels: number;
    readonly n_mfcc: number;
    readonly pad_samples: number;
    readonly mfcc: number[][];
    readonly pcm: number[];
    readonly values: number[][];
  };
  readonly motion: readonly GoldenMotion[];
  readonly mappings: Readonly<Record<string, GoldenMappings>>;
  readonly tracks: readonly GoldenTrack[];
  readonly time: readonly GoldenTime[];
  readonly refused: {
    readonly encodings: readonly {
      readonly name: string;
      readonly mappings: string;
      readonly encoder: string;
      readonly values: number[][];
    }[];
    readonly mappings: readonly {
      readonly name: string;
      readonly mappings: string;
      readonly path: (string | number)[];
      readonly value?: unknown;
    }[];
  };
}

const path = new URL("../../../../tests/mapping/goldens.json", import.meta.url);
/** Texts stand for what JSON has no number for. */
const NUMBERS = new Map([
  ["NaN", NaN],
  ["Infinity", Infinity],
  ["-Infinity", -Infinity],
]);
const goldens = JSON.parse(readFileSync(path, "utf8"), (_, value: unknown) =>
  typeof value === "string" ? (NUMBERS.get(value) ?? value) : value,
) as Goldens;

function encodersOf(name: string) {
  return Object.entries(goldens.mappings[name]!.encoders).map(
    ([encoder, { encoding_size, step_seconds }]) => ({
      name: encoder,
      encodingSize: encoding_size,
      stepSeconds: step_seconds,
    }),
  );
}

function read(name: string): Mappings {
  return parseMappings(goldens.mappings[name]!.values, encodersOf(name));
}

function axisOf({ times }: { times: number[] }, stepSeconds: number): TimeAxis {
  times.forEach((time, k) => expect(time).toBeCloseTo(times[0]! + k * stepSeconds, 12));
  return { firstSeconds: times[0]!, stepSeconds, count: times.length };
}

/** Absolute below 1, relative above. */
function expectNear(actual: Iterable<number>, expected: readonly number[], share = 1e-6): void {
  const given = [...actual];
  expect(given).toHaveLength(expected.length);
  given.forEach((value, i) => {
    const tolerance = share * Math.max(1, Math.abs(expected[i]!));
    expect(Math.abs(value - expected[i]!), `number ${i}: ${value} for ${expected[i]!}`).toBeLessThan(
      tolerance,
    );
  });
}

it("has everything that it promises", () => {
  expect(Object.keys(goldens.mappings).length).toBeGreaterThan(0);
  for (const list of [
    goldens.tracks,
    goldens.time,
    goldens.motion,
    goldens.refused.encodings,
    goldens.refused.mappings,
  ]) {
    expect(list.length).toBeGreaterThan(0);
  }
});

describe.each(goldens.tracks)("encodings to parameters: $name", ({ mappings: name, encodings, expected }) => {
  const mappings = read(name);
  const encoders: TrackEncoder[] = encodersOf(name).map((encoder) => ({
    ...encoder,
    axis: axisOf(encodings[encoder.name]!, encoder.stepSeconds),
  }));
  const blocks = Object.entries(encodings).map(([encoder, { values }]): EncodingBlock => ({
    encoder,
    first: 0,
    count: values.length,
    size: values[0]!.length,
    encodings: Float32Array.from(values.flat()),
  }));

  it("covers every projection and scaling", () => {
    expect(expected.map(({ projection }) => projection)).toEqual(
      mappings.projections.map(({ name }) => name),
    );
  });

  it.each(expected)("$projection", ({ projection: projectionName, times, rows, parameters }) => {
    const projection = mappings.projections.find(({ name }) => name === projectionName)!;
    const parts = projection.parts.map((part) => ({
      axis: encoders.find(({ name }) => name === part.encoder)!.axis,
      values: encodings[part.encoder]!.values.flatMap((row) => [...project(part, row)]),
      size: part.size,
    }));
    const axis = finestAxis(parts);
    expectNear(
      Array.from({ length: axis.count }, (_, k) => axis.firstSeconds + k * axis.stepSeconds),
      times,
    );
    const projected = Float64Array.from(
      times.flatMap((time) => {
        const row = new Float64Array(mappings.nParameters);
        writeRow(parts, time, row);
        return [...row];
      }),
    );
    expectNear(projected, rows.flat());

    expect(parameters.map(({ mode, method }) => [mode, method])).toEqual(
      projection.scalings.map(({ mode, method }) => [mode, method]),
    );
    const track = new ParameterTrack({
      encoders,
      durationSeconds: 0,
      mapping: { projection, scaling: projection.scalings[0]! },
      time: mappings.time,
    });
    for (const block of blocks) track.add(block);
    projection.scalings.forEach((scaling, i) => {
      const scaled = new Float32Array(projected.length);
      const fitted =
        scaling.method === "per-track" ? fitToTrack(scaling, projected, movingColumns(parts)) : scaling;
      scale(projected, fitted, scaled);
      expectNear(scaled, parameters[i]!.values.flat());
      track.mapping = { projection, scaling };
      expectNear(track.rows, parameters[i]!.values.flat());
    });
  });
});

it("hears onsets in MFCC and samples", () => {
  const { mfcc, pcm, values, ...given } = goldens.onsets;
  const audio = {
    sampleRateHz: given.sample_rate_hz,
    hopLength: given.hop_length,
    nMels: given.n_mels,
    nMfcc: given.n_mfcc,
  };
  const padded = Float32Array.from([...Array<number>(given.pad_samples).fill(0), ...pcm]);
  const sound = { mfcc: Float32Array.from(mfcc.flat()), pcm: padded };
  expectNear(
    onsetsOf(audio, { padSamples: given.pad_samples }, sound, 0, values.length),
    values.flat(),
    1e-5,
  );
});

describe("rows to what the player shows", () => {
  it.each<GoldenTime & Partial<GoldenMotion>>([...goldens.time, ...goldens.motion])("$name", (golden) => {
    const { settings, times, rows, duration_seconds, frame_times, parameters, onsets } = golden;
    const size = rows[0]!.length;
    const scaling = {
      mode: "features",
      method: "minmax",
      gain: Array<number>(size).fill(1),
      offset: Array<number>(size).fill(0),
    } as const;
    const part = { encoder: "rows", encodingSize: size, steps: [], size };
    const mapping: Mapping = { projection: { name: "raw", parts: [part], scalings: [scaling] }, scaling };
    const { time } = parseMappings(
      {
        schema_version: 3,
        n_parameters: size,
        default: { projection: "raw", mode: "features", method: "minmax" },
        time: settings,
        projections: [{ name: "raw", parts: [part], scalings: [scaling] }],
      },
      [{ name: "rows", encodingSize: size }],
    );
    const track = new ParameterTrack({
      encoders: [
        { name: "rows", encodingSize: size, axis: axisOf({ times }, (times[1] ?? 1) - times[0]!) },
        ...(onsets
          ? [
              {
                name: ONSETS,
                encodingSize: ONSETS_SIZE,
                axis: {
                  firstSeconds: onsets.first_seconds,
                  stepSeconds: onsets.step_seconds,
                  count: onsets.values.length,
                },
              },
            ]
          : []),
      ],
      durationSeconds: duration_seconds,
      mapping,
      time,
    });
    const encodings = Float32Array.from(rows.flat());
    track.add({ encoder: "rows", first: 0, count: rows.length, size, encodings });
    if (onsets) {
      const heard = Float32Array.from(onsets.values.flat());
      track.add({
        encoder: ONSETS,
        first: 0,
        count: onsets.values.length,
        size: ONSETS_SIZE,
        encodings: heard,
      });
      const motion = golden.pulses!.map((_, tick) => track.motionAt(tick * time.tickSeconds));
      expectNear(
        motion.map(({ pulse }) => pulse),
        golden.pulses!,
      );
      let passed = 0;
      const music = golden.rates!.map(
        (rate) => (passed += rate * time.tickSeconds) - rate * time.tickSeconds,
      );
      expectNear(
        motion.map(({ musicSeconds }) => musicSeconds),
        music,
      );
    }
    const shown = frame_times.map((seconds) => {
      const values = new Float32Array(size);
      track.at(seconds, values, new Float32Array(size));
      return [...values];
    });
    expectNear(shown.flat(), parameters.flat());
  });
});

describe("what is wrong is refused", () => {
  it.each(goldens.refused.encodings)("encodings: $name", ({ mappings: name, encoder, values }) => {
    for (const { parts } of read(name).projections) {
      const part = parts.find((candidate) => candidate.encoder === encoder)!;
      for (const row of values) expect(() => project(part, row)).toThrow(RangeError);
    }
  });

  it.each(goldens.refused.mappings)("mappings: $name", ({ mappings: name, path: keys, ...rest }) => {
    const values = structuredClone(goldens.mappings[name]!.values) as Record<string | number, unknown>;
    const parent = keys.slice(0, -1).reduce((at, key) => at[key] as Record<string | number, unknown>, values);
    const last = keys.at(-1)!;
    if ("value" in rest) parent[last] = rest.value;
    else Reflect.deleteProperty(parent, last);
    expect(() => parseMappings(values, encodersOf(name))).toThrow(BundleError);
  });
});
