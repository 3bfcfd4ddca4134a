import { type EditRecord, type FrameRange, isComplete, type Phase } from "./edit-record.js";

/** A piece of an edit that one task can do. */
export interface Unit {
  readonly kind: Phase;
  /** -1 where it is of no single prompt. */
  readonly promptIndex: number;
  /** Of encode and decode: those that nobody has or makes; else the whole clip. */
  readonly frames: FrameRange;
}

/** Of records that were asked for before: a record never changes, a changed edit has another. */
const knownUnits = new WeakMap<EditRecord, readonly Unit[]>();

/**
 * What may be begun now: its inputs are there, its output is not, and no task makes it. In the
 * order in which it should be: what finishes a prompt comes before what begins another.
 */
export function startableUnits(record: EditRecord): readonly Unit[] {
  const known = knownUnits.get(record);
  if (known !== undefined) return known;
  const units = unitsNow(record);
  knownUnits.set(record, units);
  return units;
}

function unitsNow(record: EditRecord): readonly Unit[] {
  const { artifacts, spec, tasks } = record;
  const runs = (kind: Phase): boolean => tasks.some((task) => task.kind === kind);
  const whole = (kind: Phase): readonly Unit[] =>
    runs(kind) ? [] : [{ kind, promptIndex: -1, frames: { begin: 0, end: spec.settings.frames } }];
  if (artifacts.clip === "") return whole("ingest");
  if (!hasAllMoments(record)) return encodesOf(record);
  if (spec.settings.steps > 0 && artifacts.delta === "") return whole("tune");
  if (!isComplete(artifacts.inverted)) return whole("invert");
  // Its last latents come ahead of its end: who inverted shall be among those that are free.
  if (runs("invert")) return [];
  const busy = busyPrompts(record);
  const decodes = spec.prompts.flatMap((_, promptIndex) => decodesOf(record, promptIndex, busy));
  const samples = spec.prompts.flatMap((_, promptIndex) => sampleOf(record, promptIndex, busy));
  if (decodes.length + samples.length > 0) return [...decodes, ...samples];
  return hasAllFrames(record) ? whole("publish") : [];
}

/** The first phase whose work is not done. */
export function phaseOf({ artifacts, spec }: Pick<EditRecord, "artifacts" | "spec">): Phase {
  if (artifacts.clip === "") return "ingest";
  if (!hasAllMoments({ artifacts, spec })) return "encode";
  if (spec.settings.steps > 0 && artifacts.delta === "") return "tune";
  if (!isComplete(artifacts.inverted)) return "invert";
  if (!artifacts.sampled.every(isComplete)) return "sample";
  return hasAllFrames({ artifacts }) ? "publish" : "decode";
}

/** Whether every frame of the clip is encoded. */
export function hasAllMoments({
  artifacts,
  spec,
}: Pick<EditRecord, "artifacts" | "spec">): boolean {
  let end = 0;
  for (const { frames } of artifacts.moments) if (frames.begin === end) end = frames.end;
  return end >= spec.settings.frames;
}

function hasAllFrames({ artifacts }: Pick<EditRecord, "artifacts">): boolean {
  return artifacts.frames.every((ids) => ids.every((id) => id !== ""));
}

/** What tasks make of which prompt: tasks are looked through once, and not for each prompt. */
interface Busy {
  readonly sampling: ReadonlySet<number>;
  readonly decoding: ReadonlyMap<number, readonly FrameRange[]>;
}

function busyPrompts({ tasks }: EditRecord): Busy {
  const sampling = new Set<number>();
  const decoding = new Map<number, FrameRange[]>();
  for (const { kind, promptIndex, frames, helps } of tasks) {
    if (kind === "sample" && helps === "") sampling.add(promptIndex);
    if (kind !== "decode") continue;
    const ranges = decoding.get(promptIndex);
    if (ranges === undefined) decoding.set(promptIndex, [frames]);
    else ranges.push(frames);
  }
  return { sampling, decoding };
}

function sampleOf(
  { artifacts, spec }: EditRecord,
  promptIndex: number,
  { sampling }: Busy,
): readonly Unit[] {
  const sampled = artifacts.sampled[promptIndex];
  if (sampled === undefined || isComplete(sampled) || sampling.has(promptIndex)) return [];
  return [{ kind: "sample", promptIndex, frames: { begin: 0, end: spec.settings.frames } }];
}

/** Runs of frames that are neither encoded nor under way. */
function encodesOf({ artifacts, spec, tasks }: EditRecord): readonly Unit[] {
  const there = artifacts.moments.map(({ frames }) => frames);
  const ranges = tasks.flatMap(({ kind, frames }) => (kind === "encode" ? [frames] : []));
  const isMissing = (frame: number): boolean => !isWithin(frame, [...there, ...ranges]);
  return runsOf(isMissing, spec.settings.frames).map((frames) => {
    return { kind: "encode", promptIndex: -1, frames };
  });
}

/** Runs of frames of a prompt that are neither there nor under way. */
function decodesOf(
  { artifacts, framesPerPass }: EditRecord,
  promptIndex: number,
  { sampling, decoding }: Busy,
): readonly Unit[] {
  const sampled = artifacts.sampled[promptIndex];
  if (sampled === undefined || !isComplete(sampled) || sampling.has(promptIndex)) return [];
  const ids = artifacts.frames[promptIndex] ?? [];
  if (!ids.includes("")) return [];
  const ranges = decoding.get(promptIndex) ?? [];
  // The frames of a pass are decoded together, or their bits would be others.
  const isMissing = (frame: number): boolean => {
    const begin = frame - (frame % framesPerPass);
    return ids.slice(begin, begin + framesPerPass).includes("") && !isWithin(frame, ranges);
  };
  return runsOf(isMissing, ids.length).map((frames) => ({ kind: "decode", promptIndex, frames }));
}

const isWithin = (frame: number, ranges: readonly FrameRange[]): boolean =>
  ranges.some(({ begin, end }) => begin <= frame && frame < end);

/** The longest ranges of frames for all of which something holds. */
function runsOf(holds: (frame: number) => boolean, count: number): readonly FrameRange[] {
  const runs: FrameRange[] = [];
  let begin = -1;
  for (let frame = 0; frame <= count; frame += 1) {
    const isIn = frame < count && holds(frame);
    if (isIn && begin < 0) begin = frame;
    if (isIn || begin < 0) continue;
    runs.push({ begin, end: frame });
    begin = -1;
  }
  return runs;
}
