import type { ClusterState, DecideOptions } from "./cluster-state.js";
import type { EditRecord, EditSpec, Failure } from "./edit-record.js";
import { isTerminal, noArtifacts, noRetries, noTuning } from "./edit-record.js";
import type { EventOf } from "./events.js";
import { leastTime, leastTimeText, secondsText } from "./least-time.js";
import { fittingPasses, shortfallText } from "./pass-memory.js";
import { because, putEdit, putRecord, refuse, type Turn } from "./turn.js";

const retryRequestsKeptMax = 8;

/** Accepts an edit, or says why not. The same request again gives the edit that is there. */
export function onSubmitted(turn: Turn, event: EventOf<"submitted">): void {
  const { editId, tenant, requestId, spec } = event;
  if (turn.state.edits.has(editId)) {
    turn.reasons.push(`edit ${editId}: accepted before`);
    return;
  }
  const failure = refusalOf(turn.state, { event, nowMs: turn.nowMs, options: turn.options });
  if (failure !== null) {
    refuse(turn, failure);
    return;
  }
  const { batch } = spec.settings;
  const asked = { spec, framesPerPass: batch };
  const { framesPerPass } = fittingPasses(turn.state.nodes.values(), asked);
  const record: EditRecord = {
    ...{ id: editId, tenant, requestId, revision: 0, epoch: turn.state.epoch, attempt: 1, spec },
    ...{ state: "queued", phase: "ingest", reason: "", numericsId: "", engine: "" },
    ...{ memoryBytesMin: 0, framesPerPass, tasks: [], taskSerial: 0, recoveries: 0 },
    ...{ artifacts: noArtifacts(spec), tuning: noTuning, retries: noRetries, failure: null },
    ...{ layouts: [], retryRequestIds: [], startedMs: 0, finishedMs: 0 },
    submittedMs: turn.nowMs,
  };
  putEdit(turn, { record, tune: null, progress: new Map(), sampling: null });
  const fewer = `accepted: ${batch} frames a pass fit on no node, ${framesPerPass} do`;
  because(turn, framesPerPass < batch ? fewer : "accepted", { editId });
}

/** Why an edit is not accepted; null if it is. */
export function refusalOf(
  state: ClusterState,
  {
    event,
    nowMs,
    options,
  }: {
    event: Pick<EventOf<"submitted">, "tenant" | "spec">;
    nowMs: number;
    options: DecideOptions;
  },
): Failure | null {
  const { tenant, spec } = event;
  let openCount = 0;
  let tenantCount = 0;
  for (const { record } of state.edits.values()) {
    if (isTerminal(record)) continue;
    openCount += 1;
    if (record.tenant === tenant) tenantCount += 1;
  }
  const full = (text: string): Failure => ({
    ...{ code: "RESOURCE_EXHAUSTED", reason: "queue-full" },
    message: `${text} edits are open; wait until one has ended`,
  });
  if (openCount >= options.openEditsMax) return full(`all ${options.openEditsMax}`);
  if (tenantCount >= options.openEditsPerTenantMax) {
    return full(`the tenant's ${options.openEditsPerTenantMax}`);
  }
  return (
    specFault(spec, { nowMs, options }) ?? memoryFault(state, spec) ?? timeFault(state, spec, nowMs)
  );
}

function specFault(
  { prompts, startByMs, finishByMs }: EditSpec,
  { nowMs, options }: { nowMs: number; options: DecideOptions },
): Failure | null {
  if (prompts.length < 1 || prompts.length > options.promptsMax) {
    const message = `prompts: expected 1 to ${options.promptsMax}, got ${prompts.length}`;
    return { code: "INVALID_ARGUMENT", reason: "bad-option", message };
  }
  const isLate = [startByMs, finishByMs].some((byMs) => byMs !== 0 && byMs <= nowMs);
  const message = "deadline: expected a time to come, got one that is past";
  return isLate ? { code: "DEADLINE_EXCEEDED", reason: "deadline", message } : null;
}

/** A model that no node serves yet may still come; memory that every one of them lacks does not. */
function memoryFault(state: ClusterState, spec: EditSpec): Failure | null {
  const { shortfall } = fittingPasses(state.nodes.values(), {
    spec,
    framesPerPass: spec.settings.batch,
  });
  if (shortfall === null) return null;
  const { frames, width, height, memory } = spec.settings;
  const what = `${frames} frames of ${width}x${height}`;
  const isFast = shortfall.phase === "tune" && memory !== "low";
  const advice = `take fewer frames or a smaller picture${isFast ? ", or memory: low" : ""}`;
  const message = `memory: for ${what}, ${shortfallText(shortfall)}; ${advice}`;
  return { code: "RESOURCE_EXHAUSTED", reason: "memory-short", message };
}

/** More nodes may still come; but whoever sets a deadline wants to know now. */
function timeFault(state: ClusterState, spec: EditSpec, nowMs: number): Failure | null {
  const { finishByMs, prompts, settings } = spec;
  const least = finishByMs === 0 ? null : leastTime(state.nodes.values(), spec);
  const leftMs = finishByMs - nowMs;
  if (least === null || least.ms <= leftMs) return null;
  const { frames, width, height, steps } = settings;
  const size = `${frames} frames of ${width}x${height}`;
  const count = prompts.length === 1 ? "1 prompt" : `${prompts.length} prompts`;
  const what = `${size}, ${steps} steps and ${count}`;
  const asked = `and it shall finish in ${secondsText(leftMs)}`;
  const advice = "give it more time, or take fewer steps or frames";
  const message = `deadline: for ${what}, ${leastTimeText(least)}, ${asked}; ${advice}`;
  return { code: "DEADLINE_EXCEEDED", reason: "deadline", message };
}

/** Begins an edit again that ended without success; what is stored is not done again. */
export function onRetry(turn: Turn, { editId, tenant, requestId }: EventOf<"retry">): void {
  const record = turn.state.edits.get(editId)?.record;
  if (record === undefined || record.tenant !== tenant) {
    refuse(turn, unknownEdit(editId));
    return;
  }
  if (record.retryRequestIds.includes(requestId)) {
    turn.reasons.push(`edit ${editId}: begun again before`);
    return;
  }
  if (!isTerminal(record) || record.state === "succeeded") {
    const message = `edit ${editId}: expected one that failed or was stopped, got ${record.state}`;
    refuse(turn, { code: "FAILED_PRECONDITION", reason: "edit-state", message });
    return;
  }
  putRecord(turn, editId, {
    ...{ state: "queued", attempt: record.attempt + 1, retries: noRetries, failure: null },
    ...{ startedMs: 0, finishedMs: 0 },
    spec: { ...record.spec, startByMs: 0, finishByMs: 0 },
    retryRequestIds: [...record.retryRequestIds, requestId].slice(-retryRequestsKeptMax),
  });
  because(turn, `begun again: attempt ${record.attempt + 1}`, { editId });
}

/** Another tenant's edit is as unknown as one that is not there. */
export function unknownEdit(editId: string): Failure {
  return { code: "NOT_FOUND", reason: "edit-unknown", message: `edit ${editId}: there is none` };
}
