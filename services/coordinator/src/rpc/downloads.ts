import { createHash } from "node:crypto";
import { Code, RetakeError } from "@retake/errors";
import { chunkBytes, errorOfFailure, type StreamContext } from "@retake/wire";
import { present, wholeNumber } from "@retake/wire/decoders";
import type { DownloadRequest, DownloadResponse } from "@retake/wire/edit";
import { begunDelivery, credited, deliver } from "../job/delivery.js";
import { type EditRecord, isTerminal } from "../job/edit-record.js";
import { readInto } from "../tasks/artifact-file.js";
import { type Cluster, editOf } from "./cluster.js";

type Stream = Pick<StreamContext<DownloadResponse>, "send" | "signal">;

/** Sends a file of a result, or the frames of a prompt in order as they are finished. */
export async function sendDownload(
  cluster: Cluster,
  request: DownloadRequest & { readonly tenant: string },
  stream: Stream,
): Promise<void> {
  const { tenant, id } = request;
  const what = present(request.what, "download: file or prompt");
  const offset = wholeNumber(request.offset, { subject: "offset", min: 0, max: 2 ** 50 });
  const record = editOf(cluster.reign(), id, { tenant });
  if (what.$case === "fileName") {
    await sendFile(cluster, record, { name: what.value, offset, stream });
    return;
  }
  const max = record.spec.prompts.length - 1;
  const promptIndex = wholeNumber(what.value, { subject: "prompt", min: 0, max });
  await sendFrames(cluster, record, { promptIndex, offset, stream });
}

async function sendFile(
  { artifacts }: Cluster,
  record: EditRecord,
  { name, offset, stream }: { name: string; offset: number; stream: Stream },
): Promise<void> {
  const file = record.artifacts.files.find((candidate) => candidate.name === name);
  if (file === undefined) {
    const names = record.artifacts.files.map((known) => known.name).join(", ");
    const known = names === "" ? `none: it is ${record.state}` : names;
    const message = `file ${JSON.stringify(name.slice(0, 80))}: expected one of ${known}`;
    throw new RetakeError(Code.NotFound, "file-unknown", message);
  }
  const about = { width: 0, height: 0, total: file.sizeBytes };
  let sentBytes = offset;
  for await (const bytes of artifacts.read(file.artifactId, { offsetBytes: offset })) {
    for (let begin = 0; begin < bytes.length; begin += chunkBytes) {
      const data = Buffer.from(bytes.subarray(begin, begin + chunkBytes));
      const dataSha256 = createHash("sha256").update(data).digest();
      await stream.send({ ...about, offset: sentBytes, data, dataSha256 });
      sentBytes += data.length;
    }
  }
}

async function sendFrames(
  cluster: Cluster,
  { id, tenant, spec }: EditRecord,
  { promptIndex, offset, stream }: { promptIndex: number; offset: number; stream: Stream },
): Promise<void> {
  const { frames: frameCount, width, height } = spec.settings;
  let delivery = begunDelivery({ offset, frameCount });
  for (;;) {
    const reign = cluster.reign();
    const change = reign.changed(id, stream.signal);
    change.catch(() => undefined);
    const record = editOf(reign, id, { tenant });
    // One at a time: the next is read when there is room for it.
    const next = deliver(credited(delivery, 1), record.artifacts.frames[promptIndex] ?? []);
    delivery = next.delivery;
    for (const { frame, artifactId } of next.frames) {
      const data = Buffer.alloc(width * height * 3);
      await readInto(cluster.artifacts, artifactId, data);
      const dataSha256 = Buffer.from(artifactId, "hex");
      await stream.send({ offset: frame, data, dataSha256, width, height, total: frameCount });
    }
    if (next.isOver) return;
    if (next.frames.length > 0) continue;
    if (isTerminal(record)) throw endedEarly(record);
    await change;
  }
}

function endedEarly({ id, state, failure }: EditRecord): RetakeError {
  if (failure !== null) return errorOfFailure(failure);
  const message = `edit ${id}: expected all its frames, got its end: it is ${state}`;
  return new RetakeError(Code.FailedPrecondition, "edit-state", message);
}
