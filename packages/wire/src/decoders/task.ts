import { decodeJobKey } from "../exchange-codec/job-key.js";
import type { FrameRange, Quorum, TaskHeader } from "../generated/retake/v1/node.js";
import { badMessage, present, wholeNumber } from "./bad-message.js";
import { decodeArtifactId, decodeEditId, decodeNodeId, decodeToken } from "./ids.js";

const countMax = Number.MAX_SAFE_INTEGER;
const attemptsMax = 1_000_000;
const framesMax = 4096;
const membersMax = 1024;
const shardsMax = 1024;
const addressPattern = /^[!-~]{1,255}:[1-9]\d{0,4}$/;

/** @throws RetakeError  `bad-message` for a header that names no task */
export function decodeTaskHeader(header: TaskHeader | undefined): TaskHeader {
  const task = present(header, "task");
  decodeToken(task.taskId, { subject: "task id" });
  decodeEditId(task.editId);
  wholeNumber(task.attempt, { subject: "attempt", min: 0, max: attemptsMax });
  decodeEpoch(task.epoch);
  decodeToken(task.modelHash, { subject: "model hash" });
  decodeJobKey(task.jobKey);
  return task;
}

/** @throws RetakeError  `bad-message` */
export function decodeEpoch(epoch: number): number {
  return wholeNumber(epoch, { subject: "epoch", min: 1, max: countMax });
}

/**
 * A range of frames that is not empty.
 *
 * @param limits.frames  how many there are; the range may go up to it
 * @throws RetakeError  `bad-message`
 */
export function decodeFrameRange(
  range: FrameRange | undefined,
  { frames = framesMax }: { readonly frames?: number } = {},
): FrameRange {
  const { begin, end } = present(range, "frames");
  wholeNumber(end, { subject: "last frame", min: 1, max: frames });
  wholeNumber(begin, { subject: "first frame", min: 0, max: end - 1 });
  return { begin, end };
}

/** @throws RetakeError  `bad-message` unless it is host:port */
export function decodeAddress(address: string, { subject }: { readonly subject: string }): string {
  const port = Number(address.slice(address.lastIndexOf(":") + 1));
  if (addressPattern.test(address) && port < 65_536) return address;
  throw badMessage(subject, { expected: "host:port", got: address });
}

/** @throws RetakeError  `bad-message` for a quorum that cannot be */
export function decodeQuorum(quorum: Quorum): Quorum {
  const { quorumId, committedSteps, attempts, members, shardCount, weightsHash } = quorum;
  wholeNumber(quorumId, { subject: "quorum", min: 1, max: countMax });
  wholeNumber(committedSteps, { subject: "committed steps", min: 0, max: countMax });
  wholeNumber(attempts, { subject: "attempts", min: committedSteps, max: countMax });
  wholeNumber(shardCount, { subject: "shards", min: 1, max: shardsMax });
  if (weightsHash !== "") decodeArtifactId(weightsHash, { subject: "weights hash" });
  const names = members.map(({ nodeId }) => decodeNodeId(nodeId));
  const isDistinct = new Set(names).size === names.length;
  if (names.length === 0 || names.length > membersMax || !isDistinct) {
    const got = `${names.length}${isDistinct ? "" : ", some twice"}`;
    throw badMessage("quorum", { expected: `1 to ${membersMax} different members`, got });
  }
  for (const { address, state } of members) {
    decodeAddress(address, { subject: "member's address" });
    const source = present(state?.source, "member's state");
    if (source.$case === "snapshotId") decodeArtifactId(source.value, { subject: "snapshot" });
    if (source.$case === "peerNodeId") decodeNodeId(source.value);
  }
  return quorum;
}
