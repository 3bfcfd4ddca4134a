import { Code, RetakeError } from "@retake/errors";
import {
  type HandlerOptions,
  handleBidi,
  handleServerStream,
  handleUnary,
  type StreamContext,
} from "@retake/wire";
import { decodeEditId, decodeEpoch, decodeToken, wholeNumber } from "@retake/wire/decoders";
import { assertJobToken } from "@retake/wire/exchange";
import type {
  AbortRequest,
  AbortResponse,
  PrepareRequest,
  PrepareResponse,
} from "@retake/wire/node";
import type {
  LendBranchRequest,
  LendFramesRequest,
  PullSnapshotRequest,
  PullSnapshotResponse,
} from "@retake/wire/peer";
import { lendBranch, predictBranch, serveBranchTask } from "./branch-tasks.js";
import { decodeTask, encodeTask } from "./frame-tasks.js";
import { lendFrames, runFrames, sendActivations, serveFramesTask } from "./frames-serving.js";
import { invertTask, sampleTask } from "./latents-tasks.js";
import type { NodeContext } from "./node-context.js";
import { tuneTask } from "./tune-task.js";

/** What a coordinator may ask of a node. */
export function nodeService(context: NodeContext) {
  const called = calledFor(context);
  return {
    prepare: handleUnary(
      (request: PrepareRequest) => prepare(context, request),
      called("NodeService.Prepare"),
    ),
    encode: handleServerStream(bound(encodeTask, context), called("NodeService.Encode")),
    tune: handleBidi(bound(tuneTask, context), called("NodeService.Tune")),
    invert: handleServerStream(bound(invertTask, context), called("NodeService.Invert")),
    sample: handleServerStream(bound(sampleTask, context), called("NodeService.Sample")),
    serveBranch: handleServerStream(
      bound(serveBranchTask, context),
      called("NodeService.ServeBranch"),
    ),
    lendBranch: handleUnary(
      (request: LendBranchRequest) => lendBranch(context, request),
      called("NodeService.LendBranch"),
    ),
    serveFrames: handleServerStream(
      bound(serveFramesTask, context),
      called("NodeService.ServeFrames"),
    ),
    lendFrames: handleUnary(
      (request: LendFramesRequest) => lendFrames(context, request),
      called("NodeService.LendFrames"),
    ),
    decode: handleServerStream(bound(decodeTask, context), called("NodeService.Decode")),
    abort: handleUnary(async (request: AbortRequest): Promise<AbortResponse> => {
      const taskId = decodeToken(request.taskId, { subject: "task id" });
      const epoch = decodeEpoch(request.epoch);
      return { wasRunning: context.board.abort({ taskId, epoch }) };
    }, called("NodeService.Abort")),
  };
}

/** What a node may ask of another. */
export function peerService(context: NodeContext) {
  const called = calledFor(context);
  return {
    pullSnapshot: handleServerStream(
      bound(sendSnapshot, context),
      called("PeerService.PullSnapshot"),
    ),
    predictBranch: handleBidi(bound(predictBranch, context), called("PeerService.PredictBranch")),
    runFrames: handleBidi(bound(runFrames, context), called("PeerService.RunFrames")),
    pullActivations: handleServerStream(
      bound(sendActivations, context),
      called("PeerService.PullActivations"),
    ),
  };
}

type Task<Request, Response> = (
  context: NodeContext,
  request: Request,
  stream: StreamContext<Response>,
) => Promise<void>;

const bound =
  <Request, Response>(task: Task<Request, Response>, context: NodeContext) =>
  (request: Request, stream: StreamContext<Response>): Promise<void> =>
    task(context, request, stream);

/** A model is ready when its weights are open; its programs load with the first task. */
async function prepare(context: NodeContext, request: PrepareRequest): Promise<PrepareResponse> {
  context.board.assertEpoch(decodeEpoch(request.epoch));
  context.models.find(decodeToken(request.modelHash, { subject: "model hash" }));
  return {};
}

async function sendSnapshot(
  context: NodeContext,
  request: PullSnapshotRequest,
  stream: StreamContext<PullSnapshotResponse>,
): Promise<void> {
  const editId = decodeEditId(request.editId);
  const limits = { subject: "committed steps", min: 0, max: Number.MAX_SAFE_INTEGER };
  const committedSteps = wholeNumber(request.committedSteps, limits);
  context.board.assertEpoch(decodeEpoch(request.epoch));
  const tuning = context.tunings.get(editId);
  if (tuning === undefined) {
    const message = `edit ${editId}: expected its tuning here, got none; ask another member`;
    throw new RetakeError(Code.NotFound, "task-unknown", message);
  }
  assertJobToken(request.jobToken, tuning.jobKey, ["snapshot", editId]);
  await tuning.sendSnapshot(committedSteps, (chunk) => stream.send({ chunk }));
}

const calledFor =
  ({ onCallFailed }: NodeContext) =>
  (subject: string): HandlerOptions => ({
    subject,
    onError: (error) => onCallFailed(subject, error),
  });
