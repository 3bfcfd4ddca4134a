import { type Edit, EditState, Layout, Phase, type Progress, Settings } from "@retake/wire/edit";
import type { ClusterState } from "../job/cluster-state.js";
import {
  type EditRecord,
  isTerminal,
  type LayoutName,
  type Phase as PhaseName,
  type EditState as StateName,
} from "../job/edit-record.js";
import { whyWaits } from "../job/placement.js";

const states: Readonly<Record<StateName, EditState>> = {
  queued: EditState.EDIT_STATE_QUEUED,
  running: EditState.EDIT_STATE_RUNNING,
  paused: EditState.EDIT_STATE_PAUSED,
  canceling: EditState.EDIT_STATE_CANCELING,
  succeeded: EditState.EDIT_STATE_SUCCEEDED,
  failed: EditState.EDIT_STATE_FAILED,
  canceled: EditState.EDIT_STATE_CANCELED,
  expired: EditState.EDIT_STATE_EXPIRED,
};

const phases: Readonly<Record<PhaseName, Phase>> = {
  ingest: Phase.PHASE_INGEST,
  encode: Phase.PHASE_ENCODE,
  tune: Phase.PHASE_TUNE,
  invert: Phase.PHASE_INVERT,
  sample: Phase.PHASE_SAMPLE,
  decode: Phase.PHASE_DECODE,
  publish: Phase.PHASE_PUBLISH,
};

const layouts: Readonly<Record<LayoutName | "auto", Layout>> = {
  ...{ auto: Layout.LAYOUT_UNSPECIFIED, one: Layout.LAYOUT_ONE },
  ...{ draws: Layout.LAYOUT_DRAWS, "vae-frames": Layout.LAYOUT_VAE_FRAMES },
  ...{ prompts: Layout.LAYOUT_PROMPTS, branches: Layout.LAYOUT_BRANCHES },
  frames: Layout.LAYOUT_FRAMES,
};

export const phaseMessage = (phase: PhaseName): Phase => phases[phase] ?? Phase.PHASE_UNSPECIFIED;

/** An edit as its client sees it: what is stored, and how far the tasks under way are. */
export function editMessage(record: EditRecord, state: ClusterState): Edit {
  const { spec, artifacts, tuning } = record;
  const view = state.edits.get(record.id);
  const isWaiting =
    record.state === "queued" || (record.state === "running" && !record.tasks.length);
  // A store without room does not take the record that says so either.
  const isPaused = state.isStoreFull && !isTerminal(record) && record.state !== "canceling";
  const why = isWaiting ? whyWaits(state, record) : record.reason;
  return {
    ...{ id: record.id, revision: record.revision, attempt: record.attempt },
    ...{ state: states[isPaused ? "paused" : record.state], phase: phases[record.phase] },
    ...{ progress: progressOf(record, state), recoveries: record.recoveries },
    ...{ reason: isPaused ? "paused: the store has no room" : why },
    ...{ failure: record.failure ?? undefined, queuePosition: placeInQueue(record, state) },
    spec: {
      ...{ sourcePrompt: spec.sourcePrompt, prompts: [...spec.prompts], model: spec.model },
      ...{ negativePrompt: spec.negativePrompt, videoId: spec.videoId, priority: spec.priority },
      ...{ settings: Settings.fromPartial(spec.settings), layout: layouts[spec.layout] },
      ...{ startByUnixMs: spec.startByMs, finishByUnixMs: spec.finishByMs },
      snapshotEverySteps: spec.snapshotEverySteps,
    },
    results: spec.prompts.map((prompt, index) => {
      const { done = 0, total = 0 } = artifacts.sampled[index] ?? {};
      const frames = artifacts.frames[index] ?? [];
      const framesFinished = frames.filter((id) => id !== "").length;
      return { prompt, progress: { done, total }, framesFinished };
    }),
    files: [...artifacts.files],
    ...{ submittedUnixMs: record.submittedMs, startedUnixMs: record.startedMs },
    finishedUnixMs: record.finishedMs,
    layouts: record.layouts.map(({ phase, layout, nodeIds, promptIndex, reason, ...times }) => ({
      ...{ phase: phases[phase], layout: layouts[layout], nodeIds: [...nodeIds], reason },
      promptIndex: promptIndex < 0 ? undefined : promptIndex,
      predictedMs: Math.round(times.predictedMs),
      measuredMs: Math.round(times.measuredMs),
    })),
    committedSteps: view?.tune?.committedSteps ?? tuning.committedSteps,
    weightsHash: tuning.weightsHash,
  };
}

/** Of the phase under way; nothing where it has no parts. */
function progressOf(record: EditRecord, state: ClusterState): Progress {
  const { artifacts, phase, spec, tuning } = record;
  const view = state.edits.get(record.id);
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  switch (phase) {
    case "tune": {
      const done = view?.tune?.committedSteps ?? tuning.committedSteps;
      return { done, total: spec.settings.steps };
    }
    case "invert": {
      const { done, total } = artifacts.inverted;
      return { done, total };
    }
    case "sample": {
      const known = Math.max(...artifacts.sampled.map(({ total }) => total), 0);
      const total = known * artifacts.sampled.length;
      return { done: sum(artifacts.sampled.map(({ done }) => done)), total };
    }
    case "decode": {
      const all = artifacts.frames.flat();
      return { done: all.filter((id) => id !== "").length, total: all.length };
    }
    default: {
      const own = [...(view?.progress.values() ?? [])];
      return { done: sum(own.map(({ done }) => done)), total: sum(own.map(({ total }) => total)) };
    }
  }
}

/** 1 for the next one; 0 for an edit that does not wait to begin. */
function placeInQueue(record: EditRecord, { edits }: ClusterState): number {
  if (record.state !== "queued") return 0;
  let place = 1;
  for (const { record: other } of edits.values()) {
    if (other.state === "queued" && other.submittedMs < record.submittedMs) place += 1;
  }
  return place;
}

/** Whether nothing changes any more. */
export const isOver = isTerminal;
