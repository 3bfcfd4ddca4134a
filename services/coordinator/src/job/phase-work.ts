import type { ClusterState, NodeView } from "./cluster-state.js";
import type { EditRecord, EditSpec, LayoutName, Phase } from "./edit-record.js";
import { joinsBranches } from "./pass-memory.js";
import { passesAtOnce, passKinds, unitTimes } from "./pass-times.js";
import { type Plan, plannedLayout } from "./planning.js";
import type { FrameSplit, PlanNode, Work } from "./predictions.js";

/** Of Stable Diffusion 1.x: four float32 channels of latents for each 8x8 pixels. */
const latentBytesPerPixel = 16 / 64;
/** Of a rank's program at that size, from an empty cache (`npm run bench:cold-start`). */
const ranksReadyMs = 6_000;
const pixelBytes = 3;
const valueBytes = 4;

/** A piece of an edit that is planned at once. */
export interface Piece {
  readonly kind: Phase;
  /** Frames of the VAE that are to be done. */
  readonly frames: number;
  /** Prompts that are to be sampled. */
  readonly prompts: number;
  /** Iterations that each of them has left. */
  readonly iterationsLeft: number;
  /** Whether prompts may wait while nodes share the frames of others. */
  readonly mayHoldBack?: boolean;
}

/**
 * Plans a piece of an edit for some nodes: what it costs comes from the record, how fast each node
 * is from what the nodes measured.
 */
export function plannedPiece(
  state: ClusterState,
  record: EditRecord,
  { piece, nodes }: { piece: Piece; nodes: readonly NodeView[] },
): Plan | null {
  const kind = passKinds[piece.kind];
  if (kind === undefined) return null;
  const { model, settings } = record.spec;
  const pixelsPerFrame = settings.width * settings.height;
  const pass = { modelHash: model, kind, frames: settings.frames, pixelsPerFrame };
  const times = unitTimes(nodes, pass, state.nodes);
  const isJoined = joinsBranches(record, piece.kind);
  const planNodes = nodes.map(({ info, rates }): PlanNode => {
    const { bytesPerSecond, roundTripMs } = rates;
    const unitMs = (times.get(info.nodeId) ?? 0) * (isJoined ? 2 : 1);
    const unitsAtOnce = passesAtOnce(rates, pass);
    return { nodeId: info.nodeId, unitMs, unitsAtOnce, bytesPerSecond, roundTripMs };
  });
  return plannedLayout(workOf(record, piece, nodes), planNodes, layoutsOf(record, piece));
}

/** Iterations of an inversion or a sampling that settings ask for. */
export function iterationsAsked({ ddim, strength }: EditSpec["settings"]): number {
  return Math.max(1, Math.floor(ddim * strength));
}

/** Of an inversion or a sampling from its beginning. */
export function iterationsOf({ artifacts, spec }: EditRecord): number {
  return artifacts.inverted.total || iterationsAsked(spec.settings);
}

/** The guidance branches of an iteration that are passes of their own. */
export function branchesOf({ spec, framesPerPass }: EditRecord): 1 | 2 {
  return spec.settings.guidance === 1 || framesPerPass > 1 ? 1 : 2;
}

function workOf(record: EditRecord, piece: Piece, nodes: readonly NodeView[]): Work {
  const { settings } = record.spec;
  const pixels = settings.width * settings.height;
  const none = { prompts: 1, iterations: 1, units: 1, unitBytes: 0, returnBytes: 0 };
  const base: Work = {
    ...none,
    updateBytes: 0,
    startBytes: 0,
    frameSplit: null,
    mayHoldBack: false,
  };
  const frameSplit = frameSplitOf(record, nodes);
  const tunedBytes = tunedBytesOf(record, nodes);
  const startBytes = settings.steps > 0 ? tunedBytes : 0;
  const { prompts, iterationsLeft: iterations, mayHoldBack = false } = piece;
  switch (piece.kind) {
    case "tune": {
      const left = settings.steps - record.tuning.committedSteps;
      return { ...base, iterations: left, units: settings.draws, updateBytes: tunedBytes };
    }
    case "invert":
      return { ...base, iterations, startBytes, frameSplit };
    case "sample": {
      const unitBytes = 2 * pixels * latentBytesPerPixel * settings.frames;
      const units = branchesOf(record);
      const whole = { ...base, prompts, iterations, units, unitBytes, startBytes, frameSplit };
      return { ...whole, mayHoldBack };
    }
    case "encode":
    case "decode":
      return vaeWork(record, piece, base);
    default:
      return base;
  }
}

function vaeWork({ spec }: EditRecord, { kind, frames }: Piece, base: Work): Work {
  const { settings } = spec;
  const pixels = settings.width * settings.height;
  const [latentBytes, frameBytes] = [pixels * latentBytesPerPixel, pixels * pixelBytes];
  const unitBytes = latentBytes + frameBytes;
  if (kind === "encode") return { ...base, units: frames, unitBytes, returnBytes: 2 * latentBytes };
  // Who decodes some frames pulls the latents of all.
  const startBytes = latentBytes * settings.frames;
  return { ...base, units: frames, unitBytes, returnBytes: frameBytes, startBytes };
}

/** Of the flat vector of what is tuned. */
function tunedBytesOf({ spec }: EditRecord, nodes: readonly NodeView[]): number {
  const sizes = nodes.flatMap(({ info }) =>
    info.models.flatMap(({ hash, tunedParameters }) =>
      hash === spec.model ? tunedParameters : [],
    ),
  );
  return valueBytes * Math.max(0, ...sizes);
}

/** What crosses where nodes share a clip's frames; null where a node does not tell. */
function frameSplitOf(
  { spec, framesPerPass }: EditRecord,
  nodes: readonly NodeView[],
): FrameSplit | null {
  const { frames, width, height } = spec.settings;
  const couplings = nodes.map(
    ({ info }) => info.models.find(({ hash }) => hash === spec.model)?.frameCoupling ?? null,
  );
  const [coupling] = couplings;
  if (!coupling || couplings.includes(null) || framesPerPass > 1) return null;
  const pixels = width * height;
  return {
    ...{ frames, readyMs: ranksReadyMs, passBytes: pixels * latentBytesPerPixel * frames },
    ...{ passWaits: coupling.waits, haloBytes: coupling.haloBytesPerPixel * pixels },
    siteBytes: coupling.siteBytesPerPixel * pixels * frames,
  };
}

/** Whether the planner chooses how to invert and sample: also where draws were asked for. */
export function mayChoose({ layout }: Pick<EditSpec, "layout">): boolean {
  return layout === "auto" || layout === "draws";
}

/** What a phase may be divided by; a layout that was asked for is the only one where it fits. */
function layoutsOf(
  { spec }: EditRecord,
  { kind, prompts }: Piece,
): { layouts: readonly LayoutName[]; isForced: boolean } {
  if (spec.layout === "one") return { layouts: [], isForced: true };
  if (kind === "encode" || kind === "decode") return { layouts: ["vae-frames"], isForced: false };
  if (kind === "tune") return { layouts: ["draws"], isForced: spec.layout === "draws" };
  const isFrames = spec.layout === "frames";
  const isAuto = mayChoose(spec);
  const mayShare = isFrames || isAuto;
  if (kind === "invert") return { layouts: mayShare ? ["frames"] : [], isForced: isFrames };
  if (spec.layout !== "auto" && !isAuto) return { layouts: [spec.layout], isForced: true };
  // Whole prompts first: branches and frames are for the nodes that are left.
  return { layouts: prompts > 1 ? ["prompts"] : ["branches", "frames"], isForced: false };
}
