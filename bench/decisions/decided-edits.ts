import {
  type ClusterState,
  type CoordinatorEvent,
  decide,
  defaultOptions,
  type EditSpec,
  type Effect,
  type EffectOf,
  isTerminal,
  type NodeInfo,
  type NodeRates,
  standby,
  type Task,
  type TaskOrigin,
} from "@retake/coordinator/job";

export interface EditSize {
  readonly prompts: number;
  readonly draws: number;
  readonly tenant: string;
}

/** Of one decision. */
export interface Cost {
  /** Of CPU time. */
  readonly ms: number;
  /** Tasks that it begins. */
  readonly begun: number;
}

const model = "m";
const frames = 24;
const steps = 3;
const iterations = 50;
const side = 512;
const sizes = [
  { frames: 24, ratio: 1 },
  { frames: 8, ratio: 0.3 },
] as const;
const passMs = { unet: 2_000, gradients: 6_000, encode: 200, decode: 400 } as const;
/** Of SD 1.x. */
const tunedParameters = 74_354_880;
const frameCoupling = { waits: 62, haloBytesPerPixel: 150, siteBytesPerPixel: 150 };
/** Of a coordinator, and of the lease that it gives. */
const tickEveryMs = 500;
export const heartbeatEveryMs = 2_500;
/** Between two ticks: so busy is a cluster whose tasks end at once. */
const eventsPerTick = 200;

/**
 * A coordinator whose every order is done at once: it knows many nodes, and edits go through it
 * from the first to the last event. What each decision costs is kept by the kind of its event.
 */
export class DecidedEdits {
  readonly costs = new Map<string, Cost[]>();
  #state: ClusterState = standby("c");
  #nowMs = 1_000_000;
  #beatCount = 0;
  readonly #nodeIds: readonly string[];
  readonly #waiting: CoordinatorEvent[] = [];
  readonly #stoppedIds = new Set<string>();

  constructor(nodeCount: number) {
    this.#nodeIds = Array.from({ length: nodeCount }, (_, at) => `n${at}`);
    this.#tell({ kind: "coordinator-took-over", epoch: 1, records: [], logs: new Map() });
    this.#nodeIds.forEach((nodeId, at) => {
      this.#tell({ kind: "node-joined", info: infoOf(nodeId), rates: ratesOf(at) });
    });
  }

  submit(edits: readonly EditSize[]): void {
    edits.forEach((edit, at) => {
      const editId = `e${at}`;
      const { tenant } = edit;
      this.#waiting.push({
        ...{ kind: "submitted", editId, tenant, requestId: editId, spec: specOf(edit) },
      });
    });
  }

  untilAllEnd(): void {
    for (let count = 0; this.#waiting.length > 0; count += 1) {
      const event = this.#waiting.shift();
      if (event !== undefined) this.#tell(event);
      if (count % eventsPerTick === 0) this.#passTime();
    }
    const open = [...this.#state.edits.values()].filter(({ record }) => !isTerminal(record));
    const failed = [...this.#state.edits.values()].filter(({ record }) => record.failure !== null);
    if (open.length + failed.length === 0) return;
    const [{ record } = {}] = [...open, ...failed];
    throw new Error(`decisions: edit ${record?.id} is ${record?.state}: ${record?.reason}`);
  }

  #passTime(): void {
    this.#nowMs += tickEveryMs;
    this.#tell({ kind: "tick" });
    const beats = Math.ceil((this.#nodeIds.length * tickEveryMs) / heartbeatEveryMs);
    for (let count = 0; count < beats; count += 1) {
      const at = this.#beatCount % this.#nodeIds.length;
      const nodeId = this.#nodeIds[at] ?? "";
      const taskIds = this.#state.nodes.get(nodeId)?.tasks.map(({ taskId }) => taskId) ?? [];
      const incarnation = lifeOf(nodeId);
      this.#beatCount += 1;
      this.#tell({ kind: "heartbeat", nodeId, incarnation, rates: ratesOf(at), taskIds });
    }
  }

  #tell(event: CoordinatorEvent): void {
    const before = process.cpuUsage();
    const { state, effects } = decide(this.#state, event, this.#nowMs, defaultOptions);
    const { user, system } = process.cpuUsage(before);
    const known = this.costs.get(event.kind) ?? [];
    const begun = effects.filter(({ kind }) => kind === "start-task").length;
    known.push({ ms: (user + system) / 1000, begun });
    this.costs.set(event.kind, known);
    this.#state = state;
    this.#waiting.push(...effects.flatMap((effect) => this.#newsOf(effect)));
    // Members add up when all of them are ready.
    this.#waiting.push(...effects.flatMap((effect) => this.#sumsOf(effect)));
  }

  /** What comes of an effect. */
  #newsOf(effect: Effect): readonly CoordinatorEvent[] {
    switch (effect.kind) {
      case "run-here":
      case "start-task":
        return resultsOf(effect, this.#originOf(effect.task, effect.editId));
      case "abort-task":
        return this.#stopped(effect);
      case "send-quorum": {
        const { quorumId, committedSteps } = effect.quorum;
        const origin = this.#originOf({ ...effect, id: effect.taskId }, effect.editId);
        return [{ kind: "member-ready", quorumId, committedSteps, weightsHash: "", ...origin }];
      }
      case "write-commit": {
        const { epoch, quorumId, step } = effect.commit;
        return [{ kind: "commit-written", editId: effect.editId, epoch, quorumId, step }];
      }
      case "send-commit": {
        const { quorumId, step } = effect;
        const origin = this.#originOf({ ...effect, id: effect.taskId }, effect.editId);
        return [{ kind: "step-applied", quorumId, step, weightsHash: `w${step}`, ...origin }];
      }
      case "finish-tuning": {
        const origin = this.#originOf({ ...effect, id: effect.taskId }, effect.editId);
        return [{ kind: "task-finished", result: { artifactId: "delta", files: [] }, ...origin }];
      }
      default:
        return [];
    }
  }

  /** A member has summed the draws of its step. */
  #sumsOf(effect: Effect): readonly CoordinatorEvent[] {
    if (effect.kind !== "send-quorum" && effect.kind !== "send-commit") return [];
    const isBegin = effect.kind === "send-quorum";
    const step = isBegin ? effect.quorum.committedSteps : effect.step + 1;
    const quorumId = isBegin ? effect.quorum.quorumId : effect.quorumId;
    if (step >= steps) return [];
    const sums = { lossSum: 1, drawCount: 1, isFinite: true };
    const reduced = { ...sums, gradientHash: "g", gradientNorm: 1 };
    const origin = this.#originOf({ ...effect, id: effect.taskId }, effect.editId);
    return [{ kind: "step-reduced", quorumId, step, reduced, ...origin }];
  }

  /** Who was told to stop says so, once. */
  #stopped({ editId, taskId, nodeId }: EffectOf<"abort-task">): readonly CoordinatorEvent[] {
    if (this.#stoppedIds.has(taskId)) return [];
    this.#stoppedIds.add(taskId);
    const failure = { code: "CANCELED", reason: "stopped", message: "stopped" };
    const origin = this.#originOf({ id: taskId, nodeId }, editId);
    return [{ kind: "task-failed", failure, ...origin }];
  }

  #originOf({ id: taskId, nodeId }: Pick<Task, "id" | "nodeId">, editId: string): TaskOrigin {
    return { editId, taskId, nodeId, incarnation: lifeOf(nodeId), epoch: this.#state.epoch };
  }
}

const lifeOf = (nodeId: string): string => (nodeId === "" ? "" : `${nodeId}#1`);

/** A task does all that it was asked for; helpers are told to stop when it has ended. */
function resultsOf(
  { task }: EffectOf<"run-here"> | EffectOf<"start-task">,
  origin: TaskOrigin,
): readonly CoordinatorEvent[] {
  if (task.helps !== "") return [];
  const { kind, promptIndex } = task;
  const files = [{ name: "edit.mp4", artifactId: "f", sizeBytes: 1 }];
  const end: CoordinatorEvent = {
    ...{ kind: "task-finished", result: { artifactId: `${kind}${promptIndex}`, files } },
    ...origin,
  };
  if (kind === "invert" || kind === "sample") {
    const latents = { done: iterations, total: iterations, artifactId: `l${promptIndex}` };
    return [{ kind: "latents", latents, ...origin }, end];
  }
  if (kind !== "decode") return [end];
  const { begin, end: frameEnd } = task.frames;
  const decoded = Array.from({ length: frameEnd - begin }, (_, at): CoordinatorEvent => {
    const frame = begin + at;
    return { kind: "frame", frame, artifactId: `p${promptIndex}-${frame}`, ...origin };
  });
  return [...decoded, end];
}

function specOf({ prompts, draws }: EditSize): EditSpec {
  const settings = {
    ...{ frames, stride: 1, start: "0", width: side, height: side, fit: "crop" },
    ...{ steps, rate: 3e-5, draws, mode: "paper", temporalStart: "authors", memory: "low" },
    ...{ ddim: iterations, guidance: 7.5, strength: 1, seed: 33, batch: 1 },
  };
  return {
    ...{ sourcePrompt: "s", prompts: Array.from({ length: prompts }, (_, at) => `p${at}`) },
    ...{ negativePrompt: "", videoId: "v", model, settings, layout: "auto", priority: 0 },
    ...{ startByMs: 0, finishByMs: 0, snapshotEverySteps: 0 },
  };
}

function infoOf(nodeId: string): NodeInfo {
  const kinds = ["unet", "gradients", "encode", "decode"] as const;
  const passMemory = kinds.flatMap((kind) =>
    [false, true].map((lowMemory) => ({ kind, lowMemory, fixedBytes: 3e8, bytesPerPixel: 100 })),
  );
  const models = [
    { hash: model, name: "M", tunedParameters, frameCoupling, passMemory, passFlops: [] },
  ];
  const { protocolVersion } = defaultOptions;
  const names = { nodeId, incarnation: lifeOf(nodeId), address: `${nodeId}:1`, protocolVersion };
  return { ...names, memoryBytes: 80e9, engine: "onnx-cuda", numericsId: "n", models };
}

/** No two neighbours are equally fast. */
function ratesOf(at: number): NodeRates {
  const slowness = 1 + (at % 7) / 100;
  const kinds = Object.entries(passMs) as readonly [keyof typeof passMs, number][];
  const passes = sizes.flatMap(({ frames: count, ratio }) =>
    kinds.map(([kind, ms]) => ({
      ...{ modelHash: model, kind, frames: count, pixelsPerFrame: side * side },
      ...{ durationMs: ms * ratio * slowness, passesAtOnce: 1 },
    })),
  );
  return {
    ...{ flopsPerSecond: 1e13 / slowness, bytesPerSecond: 1.25e9, roundTripMs: 0.5 },
    passes,
  };
}
