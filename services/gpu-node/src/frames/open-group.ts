import type { FrameShard } from "@retake/model/frames";
import { readStream, type StreamContext } from "@retake/wire";
import { jobToken } from "@retake/wire/exchange";
import {
  type FramesMember,
  PeerServiceClient,
  type PullActivationsResponse,
} from "@retake/wire/peer";
import { plainTransport, type Transport } from "@retake/wire/tls";
import { FrameGroup } from "./frame-group.js";
import { activationBytesMax, peerPatienceMs } from "./limits.js";

/** Opens this rank's end of a group: it pulls from the others when its first pass begins. */
export function openGroup(
  terms: {
    readonly groupId: string;
    readonly epoch: number;
    readonly shard: FrameShard;
    readonly members: readonly FramesMember[];
    /** Of the edit. */
    readonly jobKey: Uint8Array;
  },
  {
    signal,
    transport = plainTransport,
  }: { readonly signal: AbortSignal; readonly transport?: Transport },
): FrameGroup {
  const { groupId, epoch, shard, members, jobKey } = terms;
  const token = jobToken(jobKey, ["activations", groupId]);
  return new FrameGroup(shard, {
    jobKey,
    patienceMs: peerPatienceMs,
    open: (rank) => (stop) => {
      const address = members[rank]?.address ?? "";
      const client = new PeerServiceClient(...transport.to(address, "node"));
      const ended = AbortSignal.any([signal, stop]);
      ended.addEventListener("abort", () => client.close(), { once: true });
      const request = { groupId, rank: shard.rank, epoch, jobToken: token };
      const subject = `activations of rank ${rank} at ${address}`;
      return readStream(client.pullActivations.bind(client), request, { subject, signal: ended });
    },
  });
}

/** Sends what a group's rank gives to another, until either ends. */
export async function sendOutgoing(
  group: FrameGroup,
  rank: number,
  { signal, send }: StreamContext<PullActivationsResponse>,
): Promise<void> {
  for await (const { pass, round, values } of group.outgoing(rank, signal)) {
    const totalBytes = values.byteLength;
    for (let offsetBytes = 0; offsetBytes < totalBytes; offsetBytes += activationBytesMax) {
      const length = Math.min(activationBytesMax, totalBytes - offsetBytes);
      const data = Buffer.from(values.buffer, values.byteOffset + offsetBytes, length);
      await send({ pass, round, offsetBytes, totalBytes, data });
    }
  }
}
