/** How these pages give a picture a song: as the playground does before anybody chooses anything. */
import type { AnalysisClient } from "../../src/analysis/client";
import { decodeTrack } from "../../src/analysis/decode";
import type { Mapping } from "../../src/bundle";
import { ParameterTrack } from "../../src/mapping/track";
import { stepsOf } from "../../src/ui/listening";
import { defaultOrder } from "../../src/ui/order";
import { wiresFor, type Wire } from "../../src/ui/wiring";
import { VISUALS } from "../../src/visuals";
import type { VisualDefinition } from "../../src/visuals/visual";

export interface Song {
  readonly parameters: ParameterTrack;
  /** Mono, at the model's rate. */
  readonly samples: Float32Array;
}

/** Decode a file and analyse all of it. */
export async function analyse(client: AnalysisClient, url: string): Promise<Song> {
  const { bundle } = client;
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
  const { pcm } = await decodeTrack(await response.arrayBuffer(), {
    sampleRateHz: bundle.audio.sampleRateHz,
  });
  const parameters = ParameterTrack.of(bundle, pcm.samples.length);
  await client.analyze(pcm, { onBlock: (block) => parameters.add(block) });
  return { parameters, samples: pcm.samples };
}

export function definitionOf(id: string): VisualDefinition {
  const definition = VISUALS.find((visual) => visual.id === id);
  if (!definition) throw new Error(`There is no visual "${id}".`);
  return definition;
}

/** Lead the mapping's numbers to the visual as it suits both. */
export function connect(
  client: AnalysisClient,
  parameters: ParameterTrack,
  mapping: Mapping,
  definition: VisualDefinition,
): readonly Wire[] {
  const moves = definition.parameters.map((parameter) => parameter.moves);
  const wires = wiresFor(defaultOrder(moves, stepsOf(client, mapping)));
  parameters.mapping = mapping;
  parameters.order = wires.map(({ source }) => source);
  return wires;
}
