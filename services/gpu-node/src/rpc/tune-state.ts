import { createHash } from "node:crypto";
import { Code, faultPoint, RetakeError } from "@retake/errors";
import { initialTuningState, packedVector, type TuningState } from "@retake/model/tuning";
import { decodeArtifactId, present, type TuningSettings } from "@retake/wire/decoders";
import { jobToken } from "@retake/wire/exchange";
import type { Quorum, TaskHeader } from "@retake/wire/node";
import type { HostTensor, HostTensors } from "../runtime/engine.js";
import type { DrawContext } from "../tasks/draw-inputs.js";
import { outputValues } from "../tasks/host-tensors.js";
import type { Model } from "../tasks/open-model.js";
import { startTensors, tuningLayout } from "../tasks/tuned-tensors.js";
import { readSnapshot, type TuningJournal } from "../tasks/tuning-snapshot.js";
import type { NodeContext } from "./node-context.js";
import { pullSnapshot } from "./peer-link.js";
import { readMoments } from "./task-inputs.js";
import { withTemporaryFile } from "./temporary-file.js";

/** All that stays the same for one tuning on this node. */
export interface TuneSetting extends DrawContext {
  readonly task: TaskHeader;
  readonly model: Model;
  readonly settings: TuningSettings;
  readonly sourcePrompt: string;
  readonly momentsIds: readonly string[];
  /** Of the moments' values: names the clip. */
  readonly clipHash: string;
  /** What the network starts from. */
  readonly tensors: HostTensors;
  /** Names everything that decides the tuning's numbers, but how long it goes on. */
  readonly settingsHash: string;
}

/** Prepares a tuning: its inputs, on its model. */
export async function tuneSetting(
  context: NodeContext,
  start: Pick<TuneSetting, "task" | "settings" | "sourcePrompt" | "momentsIds">,
  signal: AbortSignal,
): Promise<TuneSetting> {
  const { task, settings, sourcePrompt, momentsIds } = start;
  const { seed, temporalStart, memory, mode, steps: _, ...others } = settings;
  const model = await context.models.use(task.modelHash);
  const source = { artifacts: context.artifacts, signal };
  const { hash: clipHash, ...moments } = await readMoments(source, momentsIds);
  const [prompt] = await context.models.embeddings(model, [sourcePrompt], { signal });
  const named = {
    ...{ moments: clipHash, model: model.files.hash, numerics: model.numericsId },
    prompt: [...model.files.tokenizer.tokenize(sourcePrompt).ids],
    ...{ seed, temporalStart, memory, mode, ...others },
  };
  return {
    ...{ ...start, model, moments, clipHash, seed, memory },
    prompt: present<HostTensor>(prompt, "prompt"),
    layout: tuningLayout(model.files, mode),
    tensors: await startTensors(model.files, { seed, temporalStart }),
    settingsHash: createHash("sha256").update(JSON.stringify(named)).digest("hex"),
  };
}

/** What a snapshot says of itself; its losses are the commit records'. */
export function journalAt(
  { model }: TuneSetting,
  at: { readonly committedSteps: number; readonly attempts: number },
): TuningJournal {
  return {
    ...{ step: at.committedSteps, attempts: at.attempts, losses: [] },
    numericsIds: [model.numericsId],
  };
}

/**
 * The state of a quorum's committed step, from where the quorum says that this node finds it;
 * undefined where the node has it already.
 *
 * @throws RetakeError  `snapshot-mismatch` for another step or tuning; what the peer answers
 */
export async function stateOf(
  context: NodeContext,
  setting: TuneSetting,
  from: { readonly quorum: Quorum; readonly signal: AbortSignal },
): Promise<TuningState | undefined> {
  const { quorum, signal } = from;
  const { committedSteps, members } = quorum;
  const self = members.find(({ nodeId }) => nodeId === context.nodeId);
  const source = present(present(self, `member ${context.nodeId}`).state?.source, "state");
  if (source.$case === "own") return undefined;
  if (source.$case === "start") {
    if (committedSteps !== 0) throw otherStep({ expected: committedSteps, got: 0 });
    const { layout, tensors } = setting;
    return initialTuningState(packedVector(layout, (name) => outputValues(tensors, name)));
  }
  if (source.$case === "snapshotId") {
    const id = decodeArtifactId(source.value, { subject: "snapshot" });
    return context.artifacts.use(id, signal, (path) => stateIn(path, setting, committedSteps));
  }
  const peer = present(
    members.find(({ nodeId }) => nodeId === source.value),
    `peer ${source.value}`,
  );
  const { editId, epoch, jobKey } = setting.task;
  const token = jobToken(jobKey, ["snapshot", editId]);
  return withTemporaryFile(context.workFolder, async (path) => {
    await faultPoint("in-join", { nodeId: context.nodeId, step: committedSteps });
    const to = { address: peer.address, transport: context.transport, signal };
    await pullSnapshot(path, { editId, epoch, committedSteps, jobToken: token }, to);
    return stateIn(path, setting, committedSteps);
  });
}

async function stateIn(
  path: string,
  { settingsHash, layout }: TuneSetting,
  committedSteps: number,
): Promise<TuningState> {
  const snapshot = await readSnapshot({ path, settingsHash }, layout.length);
  const { state, journal } = present(snapshot, "snapshot");
  if (journal.step === committedSteps) return state;
  throw otherStep({ expected: committedSteps, got: journal.step });
}

function otherStep(steps: { readonly expected: number; readonly got: number }): RetakeError {
  const message = `state: expected that of step ${steps.expected}, got ${steps.got}`;
  return new RetakeError(Code.FailedPrecondition, "snapshot-mismatch", message);
}
