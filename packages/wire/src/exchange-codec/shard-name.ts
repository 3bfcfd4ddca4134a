import { badMessage, wholeNumber } from "../decoders/bad-message.js";
import { type ShardFrame, ShardKind } from "../generated/retake/v1/exchange.js";

const drawsMax = 1024;
const shardsMax = 1024;
const countMax = Number.MAX_SAFE_INTEGER;

/** What names a shard, in a request and in its answer. */
type ShardName = Pick<
  ShardFrame,
  "quorumId" | "step" | "attempts" | "kind" | "shardIndex" | "firstDraw" | "drawCount"
>;

/** @throws RetakeError  `bad-message` for a shard that there cannot be */
export function assertShardName(name: ShardName, subject: string): void {
  const { kind, firstDraw, drawCount } = name;
  wholeNumber(name.quorumId, { subject: `${subject}: quorum`, min: 1, max: countMax });
  wholeNumber(name.step, { subject: `${subject}: step`, min: 0, max: countMax });
  wholeNumber(name.attempts, { subject: `${subject}: attempts`, min: name.step, max: countMax });
  wholeNumber(name.shardIndex, { subject: `${subject}: index`, min: 0, max: shardsMax - 1 });
  wholeNumber(firstDraw, { subject: `${subject}: first draw`, min: 0, max: drawsMax - 1 });
  wholeNumber(drawCount, { subject: `${subject}: draws`, min: 0, max: drawsMax });
  if (kind === ShardKind.SHARD_KIND_PARTIAL) {
    const isSubtree = Number.isInteger(Math.log2(drawCount)) && firstDraw % drawCount === 0;
    if (isSubtree) return;
    const got = `${drawCount} from ${firstDraw} on`;
    throw badMessage(subject, { expected: "the draws of a complete subtree", got });
  }
  if (kind === ShardKind.SHARD_KIND_REDUCED) return;
  throw badMessage(subject, { expected: "a partial or a reduced shard", got: kind });
}
