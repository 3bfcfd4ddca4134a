import type { CollectGarbageRequest, CollectGarbageResponse } from "@retake/wire/artifact";
import { wholeNumber } from "@retake/wire/decoders";
import { type EditRecord, isTerminal } from "../job/edit-record.js";
import { collectGarbage } from "../store/collect-garbage.js";
import { decideGarbage, type KeptEdit } from "../store/retention.js";
import type { Cluster } from "./cluster.js";

const keptMsMax = 2 ** 50;

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
  const kept = { artifacts: await artifacts.list(), edits: [...reign.storedRecords].map(keptEdit) };
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
    ...[spec.videoId, artifacts.clip, artifacts.moments, artifacts.delta],
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
