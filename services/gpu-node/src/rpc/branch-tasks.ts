import type { StreamContext } from "@retake/wire";
import {
  badMessage,
  decodeAddress,
  decodeEpoch,
  decodeSamplingSettings,
  decodeTaskHeader,
  decodeToken,
  present,
} from "@retake/wire/decoders";
import { assertJobToken } from "@retake/wire/exchange";
import type {
  LendBranchRequest,
  LendBranchResponse,
  PredictBranchRequest,
  PredictBranchResponse,
  ServeBranchRequest,
  ServeBranchResponse,
} from "@retake/wire/peer";
import type { HostTensor } from "../runtime/engine.js";
import { hostTensor, sizeOf } from "../tasks/host-tensors.js";
import type { Model, TensorSource } from "../tasks/open-model.js";
import type { TaskControl } from "../tasks/task-control.js";
import { predict, shapeOfPass } from "../tasks/unet-pass.js";
import type { BranchCall } from "./call-desk.js";
import { reporting } from "./frame-tasks.js";
import { bytesOfValues, decodeLatentShape, decodeTimestep, valuesOfBytes } from "./latent-bytes.js";
import type { NodeContext } from "./node-context.js";
import { splitFirst } from "./split-first.js";
import type { TaskContext } from "./task-board.js";
import { readNetwork } from "./task-inputs.js";

/** Computes a guidance branch for a node that samples, until that node asks for no more. */
export async function serveBranchTask(
  context: NodeContext,
  request: ServeBranchRequest,
  stream: StreamContext<ServeBranchResponse>,
): Promise<void> {
  const task = decodeTaskHeader(request.task);
  const settings = decodeSamplingSettings(request.settings);
  await context.board.run(task, stream.signal, async (running) => {
    const source = { artifacts: context.artifacts, signal: running.signal };
    const model = await context.models.use(task.modelHash);
    const control = reporting((report) => stream.send({ report }), running.signal);
    const [prompt] = await context.models.embeddings(model, [request.prompt], control);
    if (prompt === undefined) throw new Error("expected the prompt's embedding");
    const tensors = () => readNetwork(source, model, { deltaId: request.deltaId, settings });
    const { taskId, jobKey } = task;
    const check = ({ open }: BranchCall): void =>
      assertJobToken(open.jobToken, jobKey, ["branch", taskId]);
    await context.branches.serve({ taskId, check }, running.signal, (call) =>
      serveCall({ model, prompt, tensors, control, running }, call),
    );
  });
}

interface Branch {
  readonly model: Model;
  readonly prompt: HostTensor;
  readonly tensors: TensorSource;
  readonly control: TaskControl;
  readonly running: TaskContext;
}

async function serveCall(
  { model, prompt, tensors, control, running }: Branch,
  { open, requests, send }: BranchCall,
): Promise<void> {
  const shape = decodeLatentShape(open.shape);
  await model.programs.keepOnly("unet");
  const some = hostTensor(shape, new Float32Array(sizeOf(shape)));
  const sizes = shapeOfPass({ latents: some, prompts: [prompt] });
  const spec = { kind: "unet", config: model.files.unetConfig, shape: sizes } as const;
  await model.programs.load(spec, tensors);
  await send({ response: { $case: "ready", value: {} } });
  let done = 0;
  for await (const { request } of requests) {
    if (request?.$case !== "pass") throw badMessage("branch", { expected: "a pass", got: "none" });
    const { timestep, latents: bytes } = request.value;
    decodeTimestep(timestep);
    const latents = valuesOfBytes(bytes, shape);
    const pass = { latents, timestep, passes: [[prompt]], tensors };
    const [prediction = new Float32Array()] = await predict(model, pass, control);
    const value = { timestep, predictedNoise: bytesOfValues(prediction) };
    await send({ response: { $case: "prediction", value } });
    done += 1;
    control.onProgress?.({ done, total: done });
    running.assertGoesOn();
  }
}

/** Passes for another node, by the task that serves them. */
export async function predictBranch(
  context: NodeContext,
  requests: AsyncIterable<PredictBranchRequest>,
  stream: StreamContext<PredictBranchResponse>,
): Promise<void> {
  const { first, rest } = await splitFirst(requests);
  const request = first?.request;
  if (request?.$case !== "open") throw badMessage("branch", { expected: "its task", got: "none" });
  const open = request.value;
  context.board.assertEpoch(decodeEpoch(open.epoch));
  const taskId = decodeToken(open.taskId, { subject: "task id" });
  await context.branches.call(taskId, stream.signal, { open, requests: rest, send: stream.send });
}

/** Tells a task that samples of a node which computes a branch for it. */
export async function lendBranch(
  context: NodeContext,
  request: LendBranchRequest,
): Promise<LendBranchResponse> {
  const epoch = decodeEpoch(request.epoch);
  context.board.assertEpoch(epoch);
  const taskId = decodeToken(request.taskId, { subject: "task id" });
  const branchTaskId = decodeToken(request.branchTaskId, { subject: "branch task id" });
  const address = decodeAddress(present(request.peerAddress, "peer"), { subject: "peer" });
  context.lent.lend(taskId, { address, branchTaskId, epoch });
  return {};
}
