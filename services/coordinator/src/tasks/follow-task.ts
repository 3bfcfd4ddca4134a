import { type CallSettings, readStream } from "@retake/wire";
import { badMessage, wholeNumber } from "@retake/wire/decoders";
import type {
  FramePixels,
  LatentsChunk,
  NodeServiceClient,
  SampleResponse,
  TaskReport,
} from "@retake/wire/node";
import { sharesFrames } from "../job/lending.js";
import { ArtifactSink } from "./artifact-sink.js";
import { noResult, type TaskPort } from "./task-port.js";
import {
  type Assigned,
  decodeRequest,
  encodeRequest,
  invertRequest,
  sampleRequest,
  serveBranchRequest,
  serveFramesRequest,
} from "./task-requests.js";

const iterationsMax = 100_000;

/** A task on a node, and the call that runs it. */
export interface FollowedTask extends Assigned {
  readonly client: NodeServiceClient;
  readonly settings: CallSettings;
}

/**
 * Runs a task on a node, and tells what comes of it, up to its end.
 *
 * @throws RetakeError  what the node answers; a result that is not what it says
 */
export async function followTask(followed: FollowedTask, port: TaskPort): Promise<void> {
  const { task, client, settings } = followed;
  if (task.helps !== "" && sharesFrames(followed.record, task)) return followFrames(followed, port);
  if (task.helps !== "") return followBranch(followed, port);
  switch (task.kind) {
    case "encode":
      return followEncode(followed, port);
    case "invert": {
      const request = invertRequest(followed);
      return followLatents(readStream(client.invert.bind(client), request, settings), port);
    }
    case "sample": {
      const request = sampleRequest(followed);
      return followLatents(readStream(client.sample.bind(client), request, settings), port);
    }
    case "decode":
      return followDecode(followed, port);
    default:
      throw new Error(`${task.kind}: is no task of one call to a node; a bug`);
  }
}

async function followEncode(followed: FollowedTask, port: TaskPort): Promise<void> {
  const { client, settings } = followed;
  const request = encodeRequest(followed);
  const sink = new ArtifactSink(port.artifacts, settings.subject);
  try {
    let artifactId = "";
    for await (const { event } of readStream(client.encode.bind(client), request, settings)) {
      if (event?.$case === "report") await onReport(event.value, port);
      if (event?.$case !== "moments") continue;
      artifactId = (await sink.take(event.value))?.id ?? "";
    }
    await port.tell({ kind: "task-finished", result: { artifactId, files: [] } });
  } finally {
    sink.drop();
  }
}

async function followLatents(
  responses: AsyncIterable<Pick<SampleResponse, "event">>,
  port: TaskPort,
): Promise<void> {
  let sink: ArtifactSink | undefined;
  try {
    for await (const { event } of responses) {
      if (event?.$case === "report") await onReport(event.value, port);
      if (event?.$case !== "latents") continue;
      sink ??= new ArtifactSink(port.artifacts, "latents");
      if (await onLatents(event.value, sink, port)) sink = undefined;
    }
  } finally {
    sink?.drop();
  }
  await port.tell({ kind: "task-finished", result: noResult });
}

/** @returns  whether the latents of an iteration are whole */
async function onLatents(
  { done, total, chunk }: LatentsChunk,
  sink: ArtifactSink,
  port: TaskPort,
): Promise<boolean> {
  wholeNumber(total, { subject: "latents: iterations", min: 1, max: iterationsMax });
  wholeNumber(done, { subject: "latents: iterations done", min: 1, max: total });
  if (chunk === undefined) throw badMessage("latents", { expected: "a chunk", got: "none" });
  const artifact = await sink.take(chunk);
  if (artifact === undefined) return false;
  await port.tell({ kind: "latents", latents: { done, total, artifactId: artifact.id } });
  return true;
}

/** A branch gives its results to the node that samples. */
function followBranch(followed: FollowedTask, port: TaskPort): Promise<void> {
  const { client, settings } = followed;
  const request = serveBranchRequest(followed);
  return followReports(readStream(client.serveBranch.bind(client), request, settings), port);
}

/** Frames of passes go to the nodes that share them. */
function followFrames(followed: FollowedTask, port: TaskPort): Promise<void> {
  const { client, settings } = followed;
  const request = serveFramesRequest(followed);
  return followReports(readStream(client.serveFrames.bind(client), request, settings), port);
}

/** A task that only tells how far it is: what it computes goes to another node. */
async function followReports(
  answers: AsyncIterable<{ readonly report?: TaskReport | undefined }>,
  port: TaskPort,
): Promise<void> {
  for await (const { report } of answers) {
    if (report !== undefined) await onReport(report, port);
  }
  await port.tell({ kind: "task-finished", result: noResult });
}

async function followDecode(followed: FollowedTask, port: TaskPort): Promise<void> {
  const { client, settings } = followed;
  const request = decodeRequest(followed);
  for await (const { event } of readStream(client.decode.bind(client), request, settings)) {
    if (event?.$case === "report") await onReport(event.value, port);
    if (event?.$case === "frame") await onFrame(event.value, followed, port);
  }
  await port.tell({ kind: "task-finished", result: noResult });
}

async function onFrame(
  { frame, width, height, data, dataSha256 }: FramePixels,
  { record }: FollowedTask,
  port: TaskPort,
): Promise<void> {
  const { settings } = record.spec;
  const bytes = settings.width * settings.height * 3;
  if (width !== settings.width || height !== settings.height || data.length !== bytes) {
    const expected = `${settings.width}x${settings.height} pixels, ${bytes} bytes`;
    throw badMessage("frame", { expected, got: `${width}x${height}, ${data.length} bytes` });
  }
  const expectedId = Buffer.from(dataSha256).toString("hex");
  const { id: artifactId } = await port.artifacts.put(once(data), { expectedId });
  await port.tell({ kind: "frame", frame, artifactId });
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

export async function onReport({ report }: TaskReport, port: TaskPort): Promise<void> {
  if (report?.$case !== "progress") return;
  const { done, total } = report.value;
  await port.tell({ kind: "task-progress", done, total });
}
