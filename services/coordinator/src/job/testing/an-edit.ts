import type { Artifacts, EditRecord, EditSettings, EditSpec, Task } from "../edit-record.js";
import { noArtifacts, noRetries, noTuning } from "../edit-record.js";

export const someSettings: EditSettings = {
  ...{ frames: 2, stride: 1, start: "0", width: 8, height: 8, fit: "crop", steps: 2, rate: 1 },
  ...{ draws: 2, mode: "paper", temporalStart: "no-op", memory: "fast", ddim: 3, guidance: 1 },
  ...{ strength: 1, seed: 1, batch: 1 },
};

/** A spec for tests: two frames, two steps of two draws, one prompt. */
export function aSpec(change: Partial<EditSpec> = {}): EditSpec {
  return {
    ...{ sourcePrompt: "s", prompts: ["p"], negativePrompt: "", videoId: "v", model: "m" },
    ...{ settings: someSettings, layout: "auto", priority: 0, startByMs: 0, finishByMs: 0 },
    ...{ snapshotEverySteps: 0, ...change },
  };
}

/** A record for tests, just accepted unless it is said otherwise. */
export function aRecord({
  artifacts = {},
  tasks = [],
  settings = {},
  prompts = ["p"],
}: {
  artifacts?: Partial<Artifacts>;
  tasks?: readonly Task[];
  settings?: Partial<EditSettings>;
  prompts?: readonly string[];
}): EditRecord {
  const spec = aSpec({ prompts, settings: { ...someSettings, ...settings } });
  return {
    ...{ id: "e", tenant: "t", requestId: "r", revision: 1, epoch: 1, attempt: 1, spec },
    ...{ state: "queued", phase: "ingest", reason: "accepted", numericsId: "", engine: "" },
    ...{ memoryBytesMin: 0, framesPerPass: 1, tasks, taskSerial: tasks.length },
    ...{ artifacts: { ...noArtifacts(spec), ...artifacts }, tuning: noTuning, layouts: [] },
    ...{ retries: noRetries, recoveries: 0, failure: null, retryRequestIds: [] },
    ...{ submittedMs: 1, startedMs: 0, finishedMs: 0 },
  };
}
