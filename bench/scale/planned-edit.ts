import {
  type ClusterState,
  decide,
  defaultOptions,
  type EditSpec,
  type NodeRates,
  type Piece,
  type Plan,
  plannedPiece,
  standby,
} from "@retake/coordinator/job";
import type { Link } from "./network.js";
import type { PassTimes } from "./pass-times.js";
import { clip, type couplingPerPixel } from "./sd-size-edit.js";

/** An edit, by what matters for its time. */
export interface EditSize {
  readonly name: string;
  readonly prompts: number;
  readonly draws: number;
  readonly steps: number;
  readonly iterations: number;
}

export const phaseNames = ["encode", "tune", "invert", "sample", "decode"] as const;
export type PhaseName = (typeof phaseNames)[number];

interface ClusterOf {
  readonly nodeCount: number;
  readonly link: Link;
  readonly times: PassTimes;
  readonly tunedParameters: number;
  readonly coupling: ReturnType<typeof couplingPerPixel>;
}

const model = "m";
const editId = "e";

function specOf({ prompts, draws, steps, iterations }: EditSize): EditSpec {
  const side = Math.sqrt(clip.pixelsPerFrame);
  const settings = {
    ...{ frames: clip.frames, stride: 1, start: "0", width: side, height: side, fit: "crop" },
    ...{ steps, rate: 3e-5, draws, mode: "paper", temporalStart: "authors", memory: "low" },
    ...{ ddim: iterations, guidance: 7.5, strength: 1, seed: 33, batch: 1 },
  };
  return {
    ...{ sourcePrompt: "s", prompts: Array.from({ length: prompts }, (_, at) => `p${at}`) },
    ...{ negativePrompt: "", videoId: "v", model, settings, layout: "auto", priority: 0 },
    ...{ startByMs: 0, finishByMs: 0, snapshotEverySteps: 0 },
  };
}

/** What a node says of itself that knows all its times. */
function ratesOf({ times, link }: ClusterOf): NodeRates {
  const { frames, pixelsPerFrame } = clip;
  const size = { modelHash: model, pixelsPerFrame, passesAtOnce: 1 };
  return {
    ...{ flopsPerSecond: 1, bytesPerSecond: link.bytesPerSecond, roundTripMs: link.roundTripMs },
    passes: [
      { ...size, frames, kind: "unet", durationMs: times.unet },
      { ...size, frames, kind: "gradients", durationMs: times.gradients },
      { ...size, frames: 1, kind: "encode", durationMs: times.encode },
      { ...size, frames: 1, kind: "decode", durationMs: times.decode },
    ],
  };
}

/** A coordinator that equal nodes have joined, and that was given an edit. */
function clusterWith(edit: EditSize, cluster: ClusterOf): ClusterState {
  const { nodeCount, tunedParameters, coupling: frameCoupling } = cluster;
  const rates = ratesOf(cluster);
  const models = [
    { hash: model, name: "M", tunedParameters, frameCoupling, passMemory: [], passFlops: [] },
  ];
  let state = standby("c");
  const tell = (event: Parameters<typeof decide>[1]): void => {
    state = decide(state, event, 1000, defaultOptions).state;
  };
  tell({ kind: "coordinator-took-over", epoch: 1, records: [], logs: new Map() });
  for (let at = 0; at < nodeCount; at += 1) {
    const nodeId = `n${String(at).padStart(4, "0")}`;
    const names = { nodeId, incarnation: `${nodeId}#1`, address: `${nodeId}:1` };
    const { protocolVersion } = defaultOptions;
    const terms = { engine: "onnx-cpu", numericsId: "n" };
    const info = { ...names, protocolVersion, memoryBytes: 0, ...terms, models };
    tell({ kind: "node-joined", info, rates });
  }
  tell({ kind: "submitted", editId, tenant: "t", requestId: editId, spec: specOf(edit) });
  return state;
}

export interface PlannedEdit {
  readonly plans: Readonly<Record<PhaseName, Plan>>;
  /** How a prompt is sampled by so many nodes that are left for it. */
  readonly planOfPrompt: (nodeCount: number) => Plan;
}

/** What the coordinator decides of each phase, by what nodes tell it. */
export function plannedEdit(edit: EditSize, cluster: ClusterOf): PlannedEdit {
  const state = clusterWith(edit, cluster);
  const record = state.edits.get(editId)?.record;
  if (record === undefined) throw new Error("plans: the edit was refused");
  const all = [...state.nodes.values()];
  const planned = (piece: Piece, count = all.length): Plan => {
    const plan = plannedPiece(state, record, { piece, nodes: all.slice(0, count) });
    if (plan === null) throw new Error(`plans: expected one for ${piece.kind}, got none`);
    return plan;
  };
  const { iterations: iterationsLeft, prompts } = edit;
  const one = { frames: clip.frames, prompts: 1, iterationsLeft };
  return {
    plans: {
      encode: planned({ ...one, kind: "encode" }),
      tune: planned({ ...one, kind: "tune" }, defaultOptions.membersMax),
      invert: planned({ ...one, kind: "invert" }),
      sample: planned({ ...one, kind: "sample", prompts, mayHoldBack: prompts > 1 }),
      decode: planned({ ...one, kind: "decode" }),
    },
    planOfPrompt: (nodeCount) => planned({ ...one, kind: "sample" }, nodeCount),
  };
}
