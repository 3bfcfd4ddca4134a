import { Settings } from "@retake/wire/edit";
import type {
  DecodeRequest,
  EncodeRequest,
  InvertRequest,
  LatentsAt,
  SampleRequest,
  TaskHeader,
  TuneStart,
} from "@retake/wire/node";
import type { ServeBranchRequest, ServeFramesRequest } from "@retake/wire/peer";
import type { EditRecord, LatentsAt as Resume, Task } from "../job/edit-record.js";

/** What a task needs: all of it is in the record, but the key of its edit. */
export interface Assigned {
  readonly task: Task;
  readonly record: EditRecord;
  readonly jobKey: Buffer;
}

function headerOf({ task, record, jobKey }: Assigned): TaskHeader {
  const { id: taskId, attempt, epoch } = task;
  return { taskId, editId: record.id, attempt, epoch, modelHash: record.spec.model, jobKey };
}

/** Of less memory, smaller passes: branches that were to be joined are not. */
const settingsOf = ({ spec, framesPerPass }: EditRecord): Settings =>
  Settings.fromPartial({ ...spec.settings, batch: framesPerPass });

const momentsIdsOf = ({ artifacts }: EditRecord): string[] =>
  artifacts.moments.map(({ artifactId }) => artifactId);

const resumeOf = ({ done, artifactId: latentsId }: Resume): LatentsAt | undefined =>
  done === 0 ? undefined : { done, latentsId };

export function encodeRequest(assigned: Assigned): EncodeRequest {
  const { task, record } = assigned;
  const { width, height } = record.spec.settings;
  return {
    ...{ task: headerOf(assigned), clipId: record.artifacts.clip, width, height },
    ...{ frames: task.frames, framesPerPass: record.framesPerPass },
  };
}

export function tuneStart(assigned: Assigned): TuneStart {
  const { record } = assigned;
  return {
    ...{ task: headerOf(assigned), sourcePrompt: record.spec.sourcePrompt },
    ...{ momentsIds: momentsIdsOf(record), settings: settingsOf(record) },
  };
}

export function invertRequest(assigned: Assigned): InvertRequest {
  const { artifacts } = assigned.record;
  return {
    ...{ task: headerOf(assigned), settings: settingsOf(assigned.record) },
    ...{ momentsIds: momentsIdsOf(assigned.record), deltaId: artifacts.delta },
    resume: resumeOf(artifacts.inverted),
  };
}

export function sampleRequest(assigned: Assigned): SampleRequest {
  const { task, record } = assigned;
  const { artifacts, spec } = record;
  const sampled = artifacts.sampled[task.promptIndex];
  return {
    ...{ task: headerOf(assigned), settings: settingsOf(record) },
    ...{ latentsId: artifacts.inverted.artifactId, deltaId: artifacts.delta },
    ...{ prompt: spec.prompts[task.promptIndex] ?? "", negativePrompt: spec.negativePrompt },
    resume: sampled && resumeOf(sampled),
  };
}

/** The branch without the prompt. */
export function serveBranchRequest(assigned: Assigned): ServeBranchRequest {
  const { artifacts, spec } = assigned.record;
  return {
    ...{ task: headerOf(assigned), settings: settingsOf(assigned.record) },
    ...{ deltaId: artifacts.delta, prompt: spec.negativePrompt },
  };
}

/** The prompts are those of the task that is helped, in its order. */
export function serveFramesRequest(assigned: Assigned): ServeFramesRequest {
  const { task, record } = assigned;
  const { artifacts, spec } = record;
  const sampled = [spec.prompts[task.promptIndex] ?? "", spec.negativePrompt];
  return {
    ...{ task: headerOf(assigned), settings: settingsOf(record), deltaId: artifacts.delta },
    prompts: task.kind === "invert" ? [""] : sampled,
  };
}

export function decodeRequest(assigned: Assigned): DecodeRequest {
  const { task, record } = assigned;
  return {
    ...{ task: headerOf(assigned), frames: task.frames, framesPerPass: record.framesPerPass },
    latentsId: record.artifacts.sampled[task.promptIndex]?.artifactId ?? "",
  };
}
