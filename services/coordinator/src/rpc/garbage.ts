import { setTimeout as delay } from "node:timers/promises";
import { fromUnknown } from "@retake/errors";
import type { CollectGarbageRequest, CollectGarbageResponse } from "@retake/wire/artifact";
import { wholeNumber } from "@retake/wire/decoders";
import type { Logger } from "pino";
import { type EditRecord, isTerminal } from "../job/edit-record.js";
import { collectGarbage, countUnreadable } from "../store/collect-garbage.js";
import { decideGarbage, type KeptEdit } from "../store/retention.js";
import type { Cluster } from "./cluster.js";

const keptMsMax = 2 ** 50;
const dayMs = 24 * 3_600_000;

/** How long what ended and what nothing names is kept, and how often that is looked at. */
export interface GarbageOptions {
  readonly everyMs: number;
  readonly editKeptMs: number;
  readonly unreferencedKeptMs: number;
}

export const defaultGarbageOptions: GarbageOptions = {
  ...{ everyMs: 3_600_000, editKeptMs: 30 * dayMs, unreferencedKeptMs: dayMs },
};

/**
 * Removes garbage again and again, while this coordinator leads.
 *
 * @returns  ends it; resolves when a collection under way has ended
 */
export function collectRegularly(
  cluster: Cluster,
  { everyMs, ...kept }: GarbageOptions,
  logger: Logger,
): () => Promise<void> {
  const stop = new AbortController();
  const { signal } = stop;
  const collecting = (async () => {
    for (;;) {
      await delay(everyMs, undefined, { signal, ref: false });
      try {
        const { reason } = await removeGarbage(cluster, { ...kept, dryRun: false });
        logger.info({ reason }, "garbage is collected");
      } catch (thrown) {
        const { code, reason, message } = fromUnknown(thrown, "collecting garbage");
        // A standby leaves it to the one that leads.
        if (reason !== "not-active") logger.warn({ code, reason }, message);
      }
    }
  })().catch((thrown: unknown) => {
    if (!signal.aborted) throw thrown;
  });
  return () => {
    stop.abort();
    return collecting;
  };
}

/** Removes what is old enough and named by no edit that stays. */
export async function removeGarbage(
  cluster: Cluster,
  request: CollectGarbageRequest,
): Promise<CollectGarbageResponse> {
  const limits = { min: 0, max: keptMsMax };
  const options = {
    editKeptMs: wholeNumber(request.editKeptMs, { subject: "edits kept for", ...limits }),
    unreferencedKeptMs: wholeNumber(request.unreferencedKeptMs, {
      ...{ subject: "artifacts kept for", ...limits },
    }),
  };
  const { artifacts, stores } = cluster;
  const reign = cluster.reign();
  // The artifacts first: what an edit names that comes meanwhile is too young to go.
  const kept = {
    artifacts: await artifacts.list(),
    edits: [...reign.storedRecords].map(keptEdit),
    unreadableCount: await countUnreadable(stores.records),
  };
  const decision = decideGarbage(kept, cluster.nowUnixMs(), options);
  const { freedBytes, keptBytes, reason } = decision;
  if (request.dryRun) {
    const counts = { edits: decision.edits.length, artifacts: decision.artifacts.length };
    return { ...counts, freedBytes, keptBytes, reason };
  }
  const collected = await collectGarbage(stores, artifacts, decision);
  for (const { id } of decision.edits) {
    if ((await stores.records.get(id)) === undefined) reign.forget(id);
  }
  const { edits, artifacts: artifactCount } = collected;
  return { edits, artifacts: artifactCount, freedBytes, keptBytes, reason };
}

/** Everything that an edit names: inputs, what it goes on from, results. */
function keptEdit(record: EditRecord): KeptEdit {
  const { artifacts, spec, tuning } = record;
  const artifactIds = [
    ...[spec.videoId, artifacts.clip, artifacts.delta],
    ...artifacts.moments.map(({ artifactId }) => artifactId),
    ...[artifacts.inverted, ...artifacts.sampled].map(({ artifactId }) => artifactId),
    ...artifacts.frames.flat(),
    ...artifacts.files.map(({ artifactId }) => artifactId),
    tuning.snapshot?.artifactId ?? "",
  ].filter((id) => id !== "");
  return {
    id: record.id,
    endedUnixMs: isTerminal(record) ? record.finishedMs : undefined,
    artifactIds,
  };
}
