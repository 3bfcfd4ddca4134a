import { elementCount, type Graph, graphValue, isCollective } from "../graph.js";

/** What ranks that share the frames of a clip exchange in one run. */
export interface FrameCoupling {
  /** How often a rank waits for others. */
  readonly waits: number;
  /** What a rank needs of frames before its own: keys and values of two frames. */
  readonly haloBytes: number;
  /** Of one frame: what is exchanged for sites, and what comes back. */
  readonly siteBytesPerFrame: number;
}

const bytesPerElement = 4;

/** Sums over the collectives of one rank's graph; statistics are too small to count. */
export function frameCoupling(graph: Graph): FrameCoupling {
  const bytes = (id: number | undefined, from: number): number =>
    bytesPerElement * elementCount(graphValue(graph, id ?? -1).shape.slice(from));
  let [waits, haloBytes, siteBytesPerFrame] = [0, 0, 0];
  for (const { operation, inputs, outputs } of graph.nodes.filter(isCollective)) {
    waits += 1;
    if (operation === "FrameHalo") haloBytes += outputs.reduce((sum, id) => sum + bytes(id, 0), 0);
    if (operation === "FramesToSites") siteBytesPerFrame += bytes(inputs[0], 1);
    if (operation === "SitesToFrames") siteBytesPerFrame += bytes(outputs[0], 1);
  }
  return { waits, haloBytes, siteBytesPerFrame };
}
