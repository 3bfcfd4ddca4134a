import { Code, fromUnknown, RetakeError } from "@retake/errors";
import type { FrameShard } from "@retake/model/frames";
import type { StreamContext } from "@retake/wire";
import {
  badMessage,
  decodeAddress,
  decodeEpoch,
  decodeSamplingSettings,
  decodeTaskHeader,
  decodeToken,
  wholeNumber,
} from "@retake/wire/decoders";
import { assertJobToken } from "@retake/wire/exchange";
import type {
  FramesOpen,
  FramesPass,
  LendFramesRequest,
  LendFramesResponse,
  PullActivationsRequest,
  PullActivationsResponse,
  RunFramesRequest,
  RunFramesResponse,
  ServeFramesRequest,
  ServeFramesResponse,
} from "@retake/wire/peer";
import { ranksMax } from "../frames/limits.js";
import { openGroup, sendOutgoing } from "../frames/open-group.js";
import type { HostTensor } from "../runtime/engine.js";
import type { Model, TensorSource } from "../tasks/open-model.js";
import type { TaskControl } from "../tasks/task-control.js";
import { predictFrames, preparedFrames } from "../tasks/unet-pass.js";
import type { FramesCall } from "./call-desk.js";
import { reporting } from "./frame-tasks.js";
import { decodeLatentShape, decodeTimestep, valuesOfBytes } from "./latent-bytes.js";
import type { NodeContext } from "./node-context.js";
import { splitFirst } from "./split-first.js";
import type { TaskContext } from "./task-board.js";
import { readNetwork } from "./task-inputs.js";

const framesMax = 4096;

/** Computes some frames of every pass for another node, until that node asks for no more. */
export async function serveFramesTask(
  context: NodeContext,
  request: ServeFramesRequest,
  stream: StreamContext<ServeFramesResponse>,
): Promise<void> {
  const task = decodeTaskHeader(request.task);
  const settings = decodeSamplingSettings(request.settings);
  await context.board.run(task, stream.signal, async (running) => {
    const source = { artifacts: context.artifacts, signal: running.signal };
    const model = await context.models.use(task.modelHash);
    const control = reporting((report) => stream.send({ report }), running.signal);
    const prompts = await context.models.embeddings(model, request.prompts, control);
    const tensors = () => readNetwork(source, model, { deltaId: request.deltaId, settings });
    const { taskId, jobKey } = task;
    const serving = { context, jobKey, model, prompts, tensors, control, running };
    const check = ({ open }: FramesCall): void =>
      assertJobToken(open.jobToken, jobKey, ["frames", taskId]);
    const desk = context.frames;
    await desk.serve({ taskId, check }, running.signal, (call) => serveCall(serving, call));
  });
}

interface Serving {
  readonly context: NodeContext;
  readonly jobKey: Uint8Array;
  readonly model: Model;
  readonly prompts: readonly HostTensor[];
  readonly tensors: TensorSource;
  readonly control: TaskControl;
  readonly running: TaskContext;
}

async function serveCall(serving: Serving, { open, requests, send }: FramesCall): Promise<void> {
  const { context, jobKey, model, prompts, tensors, control, running } = serving;
  const { shape, shard, groupId } = decodeOpen(open);
  const { signal } = running;
  const group = openGroup({ ...open, shard, jobKey }, { signal, transport: context.transport });
  context.groups.add(groupId, group);
  let end = new RetakeError(Code.Unavailable, "peer-silent", "frames: this rank has ended");
  try {
    const [prompt] = prompts;
    if (prompt === undefined) throw badMessage("frames", { expected: "a prompt", got: "none" });
    const like = { latents: { shape, data: new Float32Array(0) }, prompts: [prompt] };
    await preparedFrames(model, { ...like, shard, tensors });
    await send({ response: { $case: "ready", value: {} } });
    let done = 0;
    for await (const { request } of requests) {
      if (request?.$case !== "pass")
        throw badMessage("frames", { expected: "a pass", got: "none" });
      const pass = decodePass(request.value, { shape, prompts });
      const exchange = group.exchanger(request.value.pass);
      await predictFrames(model, { ...pass, tensors, shard, exchange }, control);
      await send({ response: { $case: "done", value: { pass: request.value.pass } } });
      done += 1;
      control.onProgress?.({ done, total: done });
      running.assertGoesOn();
    }
  } catch (thrown) {
    end = fromUnknown(thrown, "frames");
    throw end;
  } finally {
    context.groups.remove(groupId, end);
  }
}

function decodeOpen(open: FramesOpen): {
  readonly groupId: string;
  readonly shape: readonly number[];
  readonly shard: FrameShard;
} {
  const groupId = decodeToken(open.groupId, { subject: "group id" });
  const shape = decodeLatentShape(open.shape);
  const count = open.members.length;
  wholeNumber(count, { subject: "frames: ranks", min: 2, max: ranksMax });
  wholeNumber(open.rank, { subject: "frames: rank", min: 0, max: count - 1 });
  const frameCounts = open.members.map(({ address, frames }) => {
    decodeAddress(address, { subject: "frames: member" });
    return wholeNumber(frames, { subject: "frames of a rank", min: 1, max: framesMax });
  });
  const total = frameCounts.reduce((sum, frames) => sum + frames, 0);
  if (total === shape[2]) return { groupId, shape, shard: { ...open, frameCounts } };
  throw badMessage("frames", { expected: `${shape[2]} of all ranks`, got: `${total}` });
}

function decodePass(
  { timestep, promptIndex, latents: bytes }: FramesPass,
  {
    shape,
    prompts,
  }: { readonly shape: readonly number[]; readonly prompts: readonly HostTensor[] },
): { readonly latents: HostTensor; readonly timestep: number; readonly prompts: [HostTensor] } {
  decodeTimestep(timestep);
  const prompt = prompts[promptIndex];
  if (prompt === undefined) {
    throw badMessage("prompt", { expected: `one of ${prompts.length}`, got: `${promptIndex}` });
  }
  return { latents: valuesOfBytes(bytes, shape), timestep, prompts: [prompt] };
}

/** Passes for another node, by the task that serves them. */
export async function runFrames(
  context: NodeContext,
  requests: AsyncIterable<RunFramesRequest>,
  stream: StreamContext<RunFramesResponse>,
): Promise<void> {
  const { first, rest } = await splitFirst(requests);
  const request = first?.request;
  if (request?.$case !== "open") throw badMessage("frames", { expected: "its task", got: "none" });
  const open = request.value;
  context.board.assertEpoch(decodeEpoch(open.epoch));
  const taskId = decodeToken(open.taskId, { subject: "task id" });
  await context.frames.call(taskId, stream.signal, { open, requests: rest, send: stream.send });
}

/** Tells a task of nodes that share its clip's frames from now on. */
export async function lendFrames(
  context: NodeContext,
  request: LendFramesRequest,
): Promise<LendFramesResponse> {
  const epoch = decodeEpoch(request.epoch);
  context.board.assertEpoch(epoch);
  wholeNumber(request.peers.length, { subject: "peers", min: 1, max: ranksMax - 1 });
  const peers = request.peers.map(({ address, taskId }) => ({
    address: decodeAddress(address, { subject: "peer" }),
    taskId: decodeToken(taskId, { subject: "peer's task id" }),
  }));
  const ownAddress = decodeAddress(request.ownAddress, { subject: "own address" });
  const taskId = decodeToken(request.taskId, { subject: "task id" });
  context.lentRanks.lend(taskId, { ownAddress, epoch, peers });
  return {};
}

/** What a rank of this node gives to another, until either ends. */
export async function sendActivations(
  context: NodeContext,
  request: PullActivationsRequest,
  stream: StreamContext<PullActivationsResponse>,
): Promise<void> {
  const groupId = decodeToken(request.groupId, { subject: "group id" });
  context.board.assertEpoch(decodeEpoch(request.epoch));
  const group = await context.groups.find(groupId, stream.signal);
  assertJobToken(request.jobToken, group.jobKey, ["activations", groupId]);
  const rank = wholeNumber(request.rank, { subject: "rank", min: 0, max: ranksMax - 1 });
  await sendOutgoing(group, rank, stream);
}
