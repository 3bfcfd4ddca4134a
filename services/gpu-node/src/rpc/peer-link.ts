import { open } from "node:fs/promises";
import { ChunkReceiver, readStream } from "@retake/wire";
import { PeerServiceClient, type PullSnapshotRequest } from "@retake/wire/peer";
import type { Transport } from "@retake/wire/tls";

/** Weights and two moments of a vector of 1.3 thousand million values. */
const snapshotBytesMax = 16 * 2 ** 30;

/**
 * Pulls the state of a tuning from another member into a file.
 *
 * @throws RetakeError  what the peer answers; `unreachable`
 */
export async function pullSnapshot(
  path: string,
  request: PullSnapshotRequest,
  peer: {
    readonly address: string;
    readonly transport: Transport;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { address, transport, signal } = peer;
  const subject = `snapshot from ${address}`;
  const client = new PeerServiceClient(...transport.to(address, "node"));
  const receiver = new ChunkReceiver({ subject, bytesMax: snapshotBytesMax });
  const file = await open(path, "w");
  try {
    const answers = readStream(client.pullSnapshot.bind(client), request, { subject, signal });
    for await (const { chunk } of answers) await file.writeFile(receiver.take(chunk));
    receiver.finish();
  } finally {
    await file.close();
    client.close();
  }
}
