import { Code, RetakeError } from "@retake/errors";
import {
  type Edit,
  type EditEvent,
  EditState,
  type LayoutReport,
  type Progress,
} from "@retake/wire/edit";
import { aligned } from "../text/aligned.js";
import { durationText } from "../text/duration-text.js";

/** An edit as commands print it. */
export interface EditJson {
  readonly id: string;
  readonly state: string;
  readonly phase: string;
  readonly [field: string]: unknown;
}

const terminal: readonly EditState[] = [
  ...[EditState.EDIT_STATE_SUCCEEDED, EditState.EDIT_STATE_FAILED],
  ...[EditState.EDIT_STATE_CANCELED, EditState.EDIT_STATE_EXPIRED],
];

export function isEnded({ state }: Pick<Edit, "state">): boolean {
  return terminal.includes(state);
}

/** `EDIT_STATE_RUNNING` is `running`. */
function plain(value: string, prefix: string): string {
  return value.replace(new RegExp(`^${prefix}_`), "").toLowerCase();
}

const layoutText = (layout: string): string => plain(layout, "LAYOUT").replaceAll("_", "-");
export const stateText = ({ state }: Edit): string => plain(state, "EDIT_STATE");
export const phaseText = ({ phase }: Edit): string => plain(phase, "PHASE");

/** The same words as on the wire; numbers are numbers, and times Unix milliseconds. */
export function editJson(edit: Edit): EditJson {
  const { spec, results, files, layouts } = edit;
  return {
    ...{ id: edit.id, state: stateText(edit), phase: phaseText(edit), reason: edit.reason },
    ...{ progress: progressJson(edit.progress), revision: edit.revision, attempt: edit.attempt },
    ...{ recoveries: edit.recoveries, queuePosition: edit.queuePosition },
    failure: edit.failure ?? null,
    source: spec?.sourcePrompt ?? "",
    ...{ negative: spec?.negativePrompt ?? "", model: spec?.model ?? "" },
    videoId: spec?.videoId ?? "",
    settings: spec?.settings ?? {},
    prompts: results.map(({ prompt, progress, framesFinished }) => ({
      ...{ prompt, progress: progressJson(progress), framesFinished },
    })),
    files: files.map(({ name, artifactId: sha256, sizeBytes: bytes }) => ({ name, sha256, bytes })),
    layouts: layouts.map(({ phase, layout, promptIndex, ...report }) => ({
      ...{ phase: plain(phase, "PHASE"), layout: layoutText(layout), ...report },
      promptIndex: promptIndex ?? null,
    })),
    ...{ committedSteps: edit.committedSteps, weightsHash: edit.weightsHash },
    ...{ submittedUnixMs: edit.submittedUnixMs, startedUnixMs: edit.startedUnixMs },
    finishedUnixMs: edit.finishedUnixMs,
  };
}

function progressJson(progress: Progress | undefined) {
  return { done: progress?.done ?? 0, total: progress?.total ?? 0 };
}

/** A line of an edit's history. */
export function eventJson({ atUnixMs, attempt, phase, reason }: EditEvent) {
  return { atUnixMs, attempt, phase: plain(phase, "PHASE"), reason };
}

export function eventLines(events: readonly EditEvent[]): readonly string[] {
  return aligned(
    events.map((event) => {
      const { atUnixMs, attempt, phase, reason } = eventJson(event);
      const when = new Date(atUnixMs).toISOString().slice(0, 19).replace("T", " ");
      return [when, `attempt ${attempt}`, phase, reason];
    }),
  );
}

/** One line that says how far an edit is. */
export function editLine(edit: Edit): string {
  const { done = 0, total = 0 } = edit.progress ?? {};
  const share = total > 0 ? ` ${done}/${total}` : "";
  const where = isEnded(edit) ? "" : ` ${phaseText(edit)}${share}`;
  return `${edit.id} ${stateText(edit)}${where}: ${edit.reason}`;
}

/** How a phase was divided, what was predicted and what it took, and why. */
function layoutLine(report: LayoutReport): string {
  const { phase, layout, nodeIds, promptIndex, predictedMs, measuredMs, reason } = report;
  const what =
    plain(phase, "PHASE") + (promptIndex === undefined ? "" : ` of prompt ${promptIndex}`);
  const predicted = predictedMs === 0 ? "not predicted" : `predicted ${durationText(predictedMs)}`;
  const took = measuredMs === 0 ? "runs" : `took ${durationText(measuredMs)}`;
  const where = `${layoutText(layout)} on ${nodeIds.join(", ")}`;
  return `${what}: ${where}; ${predicted}, ${took}; ${reason}`;
}

/** All that a person wants to know of an edit. */
export function editPage(edit: Edit): string {
  const { spec, failure } = edit;
  const rows = [
    ["edit", edit.id],
    ["state", isEnded(edit) ? stateText(edit) : `${stateText(edit)}, ${phaseText(edit)}`],
    ["why", edit.reason],
    ...(failure === undefined ? [] : [["failure", `${failure.message} (${failure.reason})`]]),
    ["source", spec?.sourcePrompt ?? ""],
    ...edit.results.map(({ prompt, progress, framesFinished }) => [
      "prompt",
      `${prompt}: ${progress?.done ?? 0}/${progress?.total ?? 0}, ${framesFinished} frames`,
    ]),
    ["tuned", `${edit.committedSteps} of ${spec?.settings?.steps ?? 0} steps`],
    ...(edit.weightsHash === "" ? [] : [["weights", edit.weightsHash]]),
    ...edit.layouts.map((report) => ["layout", layoutLine(report)]),
    ["attempt", `${edit.attempt}, ${edit.recoveries} recoveries`],
    ...edit.files.map(({ name, sizeBytes }) => ["file", `${name}, ${sizeBytes} bytes`]),
  ];
  return aligned(rows).join("\n");
}

/** An answer without what it is about. */
export function noAnswer(): RetakeError {
  const message = "coordinator: expected an edit, got none; run one release in the whole cluster";
  return new RetakeError(Code.Internal, "bug", message);
}
