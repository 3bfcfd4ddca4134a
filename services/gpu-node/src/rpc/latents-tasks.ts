import { faultPoint } from "@retake/errors";
import type { StreamContext } from "@retake/wire";
import { decodeSamplingSettings, decodeTaskHeader } from "@retake/wire/decoders";
import type {
  InvertRequest,
  InvertResponse,
  LatentsChunk,
  SampleRequest,
  SampleResponse,
  TaskHeader,
} from "@retake/wire/node";
import { meanLatents } from "../tasks/encode-clip.js";
import { hostTensor } from "../tasks/host-tensors.js";
import { invert } from "../tasks/invert.js";
import type { LatentsListener } from "../tasks/latents-done.js";
import { type BranchHelper, sample } from "../tasks/sample.js";
import type { TaskControl } from "../tasks/task-control.js";
import { BranchLink } from "./branch-link.js";
import { reporting } from "./frame-tasks.js";
import { withLentRanks } from "./frames-link.js";
import type { LentBranch } from "./lent-peers.js";
import type { NodeContext } from "./node-context.js";
import { sendTensors } from "./send-file.js";
import type { TaskContext } from "./task-board.js";
import { readLatents, readLatentsDone, readMoments, readNetwork } from "./task-inputs.js";

type Stream = StreamContext<InvertResponse> | StreamContext<SampleResponse>;

/** Inverts a clip's latents; those of every iteration are sent, to go on from. */
export async function invertTask(
  context: NodeContext,
  request: InvertRequest,
  stream: StreamContext<InvertResponse>,
): Promise<void> {
  const task = decodeTaskHeader(request.task);
  const settings = decodeSamplingSettings(request.settings);
  await context.board.run(task, stream.signal, async (running) => {
    const source = { artifacts: context.artifacts, signal: running.signal };
    const model = await context.models.use(task.modelHash);
    const control = controlOf(stream, running);
    const moments = await readMoments(source, request.momentsIds);
    const [emptyPrompt] = await context.models.embeddings(model, [""], control);
    if (emptyPrompt === undefined) throw new Error("expected the empty prompt's embedding");
    const latents = meanLatents(model, moments);
    const input = {
      ...{ latents, emptyPrompt, samplingCount: settings.ddim, strength: settings.strength },
      tensors: () => readNetwork(source, model, { deltaId: request.deltaId, settings }),
      resume: await readLatentsDone(source, request.resume),
      onLatents: latentsSender({ context, stream, running, shape: latents.shape }),
    };
    const sharing = { context, task, model, prompts: [emptyPrompt], control, ...input };
    await withLentRanks(sharing, (passHelper) => invert(model, { ...input, passHelper }, control));
  });
}

/** Samples one prompt; the latents of every iteration are sent, to go on from. */
export async function sampleTask(
  context: NodeContext,
  request: SampleRequest,
  stream: StreamContext<SampleResponse>,
): Promise<void> {
  const task = decodeTaskHeader(request.task);
  const settings = decodeSamplingSettings(request.settings);
  await context.board.run(task, stream.signal, async (running) => {
    const source = { artifacts: context.artifacts, signal: running.signal };
    const model = await context.models.use(task.modelHash);
    const control = controlOf(stream, running);
    const latents = await readLatents(source, request.latentsId);
    const sentences = [request.prompt, request.negativePrompt];
    const [prompt, without] = await context.models.embeddings(model, sentences, control);
    if (prompt === undefined || without === undefined) throw new Error("expected two embeddings");
    const input = {
      ...{ latents, prompt, without, samplingCount: settings.ddim, strength: settings.strength },
      ...{ guidanceScale: settings.guidance, joinBranches: settings.batch > 1 },
      tensors: () => readNetwork(source, model, { deltaId: request.deltaId, settings }),
      resume: await readLatentsDone(source, request.resume),
      onLatents: latentsSender({ context, stream, running, shape: latents.shape }),
    };
    const sharing = { context, task, model, prompts: [prompt, without], control, ...input };
    await withLentRanks(sharing, (passHelper) =>
      withLentBranch({ context, task, shape: latents.shape, control }, (branchHelper) =>
        sample(model, { ...input, passHelper, branchHelper }, control),
      ),
    );
  });
}

/** Lets a sampling use the peers that are lent to it, one after the other. */
async function withLentBranch<Value>(
  lending: {
    readonly context: NodeContext;
    readonly task: TaskHeader;
    readonly shape: readonly number[];
    readonly control: TaskControl;
  },
  work: (branchHelper: BranchHelper) => Promise<Value>,
): Promise<Value> {
  const { context, task, shape, control } = lending;
  const stop = new AbortController();
  let link: BranchLink | undefined;
  const take = (branch: LentBranch): void => {
    link?.close();
    const onLost = (reason: string): void => control.onWarning?.(reason);
    const { signal } = stop;
    const { transport, nowMs } = context;
    const { jobKey } = task;
    link = new BranchLink(branch, { transport, jobKey, shape, signal, nowMs, onLost });
  };
  try {
    return await context.lent.during(task.taskId, take, async () => {
      const value = await work((pass) => link?.ask(pass));
      link?.close();
      return value;
    });
  } catch (thrown) {
    stop.abort("the sampling has failed");
    throw thrown;
  }
}

function controlOf(stream: Stream, { signal }: TaskContext): ReturnType<typeof reporting> {
  return reporting((value) => stream.send({ event: { $case: "report", value } }), signal);
}

/** Sends the latents of each iteration; a node that drains ends the task after one. */
function latentsSender(sending: {
  readonly context: NodeContext;
  readonly stream: Stream;
  readonly running: TaskContext;
  readonly shape: readonly number[];
}): LatentsListener {
  const { context, stream, running, shape } = sending;
  return async (data, { done, total }) => {
    await faultPoint("in-sampling", { nodeId: context.nodeId, done, total });
    const tensors = { latents: hostTensor(shape, data) };
    await sendTensors(context.workFolder, tensors, (chunk) => {
      const value: LatentsChunk = { done, total, chunk };
      return stream.send({ event: { $case: "latents", value } });
    });
    if (done < total) running.assertGoesOn();
  };
}
