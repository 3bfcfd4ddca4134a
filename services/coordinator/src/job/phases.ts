import { type EditRecord, type FrameRange, isComplete, type Phase } from "./edit-record.js";

/** A piece of an edit that one task can do. */
export interface Unit {
  readonly kind: Phase;
  /** -1 where it is of no single prompt. */
  readonly promptIndex: number;
  /** Of a decode: those that nobody has or makes; else the whole clip. */
  readonly frames: FrameRange;
}

/**
 * What may be begun now: its inputs are there, its output is not, and no task makes it. In the
 * order in which it should be: what finishes a prompt comes before what begins another.
 */
export function startableUnits(record: EditRecord): readonly Unit[] {
  const { artifacts, spec, tasks } = record;
  const runs = (kind: Phase): boolean => tasks.some((task) => task.kind === kind);
  const whole = (kind: Phase): readonly Unit[] =>
    runs(kind) ? [] : [{ kind, promptIndex: -1, frames: { begin: 0, end: spec.settings.frames } }];
  if (artifacts.clip === "") return whole("ingest");
  if (artifacts.moments === "") return whole("encode");
  if (spec.settings.steps > 0 && artifacts.delta === "") return whole("tune");
  if (!isComplete(artifacts.inverted)) return whole("invert");
  const decodes = spec.prompts.flatMap((_, promptIndex) => decodesOf(record, promptIndex));
  const samples = spec.prompts.flatMap((_, promptIndex) => sampleOf(record, promptIndex));
  if (decodes.length + samples.length > 0) return [...decodes, ...samples];
  return hasAllFrames(record) ? whole("publish") : [];
}

/** The first phase whose work is not done. */
export function phaseOf({ artifacts, spec }: EditRecord): Phase {
  if (artifacts.clip === "") return "ingest";
  if (artifacts.moments === "") return "encode";
  if (spec.settings.steps > 0 && artifacts.delta === "") return "tune";
  if (!isComplete(artifacts.inverted)) return "invert";
  if (!artifacts.sampled.every(isComplete)) return "sample";
  return hasAllFrames({ artifacts }) ? "publish" : "decode";
}

function hasAllFrames({ artifacts }: Pick<EditRecord, "artifacts">): boolean {
  return artifacts.frames.every((ids) => ids.every((id) => id !== ""));
}

function sampleOf({ artifacts, spec, tasks }: EditRecord, promptIndex: number): readonly Unit[] {
  const sampled = artifacts.sampled[promptIndex];
  const runs = tasks.some((task) => task.kind === "sample" && task.promptIndex === promptIndex);
  if (sampled === undefined || isComplete(sampled) || runs) return [];
  return [{ kind: "sample", promptIndex, frames: { begin: 0, end: spec.settings.frames } }];
}

/** Runs of frames of a prompt that are neither there nor under way. */
function decodesOf({ artifacts, tasks }: EditRecord, promptIndex: number): readonly Unit[] {
  const sampled = artifacts.sampled[promptIndex];
  if (sampled === undefined || !isComplete(sampled)) return [];
  const ranges = tasks.flatMap(({ kind, frames, ...task }) =>
    kind === "decode" && task.promptIndex === promptIndex ? [frames] : [],
  );
  const units: Unit[] = [];
  let begin = -1;
  const ids = artifacts.frames[promptIndex] ?? [];
  for (let frame = 0; frame <= ids.length; frame += 1) {
    const isMade = ranges.some((range) => range.begin <= frame && frame < range.end);
    const isMissing = ids[frame] === "" && !isMade;
    if (isMissing && begin < 0) begin = frame;
    if (isMissing || begin < 0) continue;
    units.push({ kind: "decode", promptIndex, frames: { begin, end: frame } });
    begin = -1;
  }
  return units;
}
