import { Code, RetakeError } from "@retake/errors";
import { badMessage, wholeNumber } from "../decoders/bad-message.js";
import { decodeArtifactId, decodeEditId, decodeNodeId, decodeToken } from "../decoders/ids.js";
import { CommitRecord } from "../generated/retake/v1/exchange.js";

const membersMax = 1024;

export function encodeCommitRecord(record: CommitRecord): Uint8Array {
  return CommitRecord.encode(record).finish();
}

/** @throws RetakeError  `bad-message` */
export function decodeCommitRecord(bytes: Uint8Array): CommitRecord {
  const subject = "commit record";
  const record = decoded(bytes, subject);
  const atLeast = (min: number, field: string, value: number): number =>
    wholeNumber(value, { subject: `${subject}: ${field}`, min, max: Number.MAX_SAFE_INTEGER });
  decodeEditId(record.editId);
  atLeast(1, "epoch", record.epoch);
  atLeast(0, "step", record.step);
  atLeast(1, "quorum", record.quorumId);
  atLeast(record.step + 1, "attempts", record.attempts);
  const members = record.nodeIds.map((nodeId) => decodeNodeId(nodeId));
  if (members.length === 0 || members.length > membersMax || new Set(members).size < members.length)
    throw badMessage(subject, { expected: "1 to 1024 different nodes", got: members.length });
  decodeToken(record.numericsId, { subject: `${subject}: numerics id` });
  decodeArtifactId(record.gradientHash, { subject: `${subject}: gradient hash` });
  if (record.weightsHash !== "")
    decodeArtifactId(record.weightsHash, { subject: `${subject}: weights hash` });
  if (Number.isFinite(record.loss)) return record;
  throw badMessage(subject, { expected: "a finite loss", got: record.loss });
}

function decoded(bytes: Uint8Array, subject: string): CommitRecord {
  try {
    return CommitRecord.decode(bytes);
  } catch (thrown) {
    const message = `${subject}: expected one, got bytes that are none`;
    throw new RetakeError(Code.InvalidArgument, "bad-message", message, { cause: thrown });
  }
}
