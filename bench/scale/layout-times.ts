import type { LayoutName, Plan } from "@retake/coordinator/job";
import { drawsStepMs } from "./draws-step.js";
import { type RankProgram, sharedPassMs } from "./frame-passes.js";
import type { Link } from "./network.js";
import type { Profile } from "./pass-times.js";
import type { EditSize, PhaseName, PlannedEdit } from "./planned-edit.js";
import { fastestStages, type Round, roundsFor } from "./prompt-stages.js";
import { type SamplingStage, samplingMs } from "./sampling.js";
import { clip, editBytes, rankPrograms } from "./sd-size-edit.js";
import { vaeMs } from "./vae-frames.js";

/** A layout on so many nodes. */
export interface Layout {
  readonly name: LayoutName | "prompts with frames" | "prompts in stages";
  readonly nodeCount: number;
  /** Of the prompts that are sampled; none where the name tells. */
  readonly stages: readonly SamplingStage[];
}

/** Where layouts are timed. */
export interface Place {
  readonly profile: Profile;
  readonly link: Link;
  readonly edit: EditSize;
  /** Of the flat vector of gradients, in values. */
  readonly tunedParameters: number;
}

const membersMax = 64;
const valueBytes = 4;
const branches = 2;

/** Node counts that share so many pieces better than any smaller count does. */
function usefulCounts(pieces: number, countMax: number): readonly number[] {
  const counts: number[] = [];
  let last = pieces;
  for (let count = 2; count <= Math.min(pieces, countMax); count += 1) {
    const share = Math.ceil(pieces / count);
    if (share < last) counts.push(count);
    last = share;
  }
  return counts;
}

/** The layouts that a phase can have on so many nodes, in all sizes that make a difference. */
export function layoutsFor(
  phase: PhaseName,
  place: Place & { readonly nodeCount: number },
): readonly Layout[] {
  const { edit, nodeCount } = place;
  const of = (name: Layout["name"], counts: readonly number[]): readonly Layout[] =>
    counts
      .filter((count) => count <= nodeCount)
      .map((count) => ({ name, nodeCount: count, stages: [] }));
  const frames = usefulCounts(clip.frames, nodeCount);
  const one = of("one", [1]);
  const { prompts, draws } = edit;
  switch (phase) {
    case "encode":
    case "decode":
      return [...one, ...of("vae-frames", frames)];
    case "tune":
      return [...one, ...of("draws", usefulCounts(draws, membersMax))];
    case "invert":
      return [...one, ...of("frames", frames)];
    case "sample": {
      const whole = prompts > 1 ? [...usefulCounts(prompts, nodeCount), 2 * prompts] : [];
      const groups = prompts > 1 ? frames.map((count) => count * prompts) : [];
      return [
        ...[...one, ...of("prompts", whole), ...of("prompts with frames", groups)],
        ...of("branches", prompts === 1 ? [2] : []),
        ...of("frames", frames),
        ...(prompts > 1 ? stagedLayouts(place, [1, ...frames]) : []),
      ];
    }
  }
}

/** The fastest divisions of prompts into stages, by rounds that are simulated one by one. */
function stagedLayouts(
  place: Place & { readonly nodeCount: number },
  sizes: readonly number[],
): readonly Layout[] {
  const { nodeCount, edit, profile } = place;
  const rounds = roundsFor(edit.prompts, { nodeCount, sizes }).map((round) => ({
    ...round,
    ms: roundMs(round, place),
  }));
  // What nodes have made to share frames serves all rounds with groups as large.
  const ready = rounds.map((round) => {
    const loadMs = round.nodesEach > 1 ? profile.loadMs : 0;
    return { ...round, ms: round.ms - loadMs };
  });
  return [rounds, ready].map((timed) => {
    const stages = fastestStages(edit.prompts, timed);
    return { name: "prompts in stages", nodeCount: nodesOf(stages), stages };
  });
}

/** A prompt for each group of nodes, which have the tuned weights. */
function roundMs({ atOnce, nodesEach }: Round, place: Place): number {
  const { profile, link, edit } = place;
  const key = JSON.stringify([profile.name, edit.iterations, link, atOnce, nodesEach]);
  return remembered(times, key, () => {
    const stages = [{ prompts: atOnce, atOnce, nodesEach }];
    const terms = { ...samplingOf(place), nodeCount: atOnce * nodesEach, startBytes: 0 };
    return samplingMs({ ...terms, stages, branches, isFirstWarm: true });
  });
}

const nodesOf = (stages: readonly SamplingStage[]): number =>
  Math.max(...stages.map(({ atOnce, nodesEach }) => atOnce * nodesEach));

/** The layout that a plan means; who helps whom is planned anew when all of a stage have begun. */
export function layoutOf(
  { layout, nodeIds: { length: nodeCount }, stages: planned }: Plan,
  {
    edit: { prompts },
    planOfPrompt,
  }: Pick<PlannedEdit, "planOfPrompt"> & { readonly edit: EditSize },
): Layout {
  if (layout !== "prompts") return { name: layout, nodeCount, stages: [] };
  const helps = planned.map(({ atOnce }) => planOfPrompt(Math.floor(nodeCount / atOnce)));
  const stages = planned.map((stage, at) => {
    const { layout: help, nodeIds = [] } = helps[at] ?? {};
    return { ...stage, nodesEach: help === "frames" ? nodeIds.length : 1 };
  });
  const used = planned.map(({ atOnce }, at) => atOnce * (helps[at]?.nodeIds.length ?? 1));
  const most = Math.max(...used);
  const [{ atOnce, nodesEach } = { atOnce: 0, nodesEach: 0 }] = stages;
  const atOnceMax = nodesEach > 1 ? prompts : Math.min(prompts, nodeCount);
  const isPlain = stages.length === 1 && atOnce === atOnceMax;
  if (!isPlain) return { name: "prompts in stages", nodeCount: most, stages };
  const name = nodesEach > 1 ? "prompts with frames" : "prompts";
  return { name, nodeCount: most, stages: [] };
}

const programs = new Map<number, readonly RankProgram[]>();
const times = new Map<string, number>();

function remembered<Value>(known: Map<string, Value>, key: string, make: () => Value): Value {
  const before = known.get(key);
  if (before !== undefined) return before;
  const made = make();
  known.set(key, made);
  return made;
}

function sharedMs({ profile, link }: Place, rankCount: number): number {
  const { flopsPerMs, name, times: alone } = profile;
  if (rankCount === 1) return alone.unet;
  return remembered(times, `pass ${name} ${link.bytesPerSecond} ${rankCount}`, () => {
    const ranks = programs.get(rankCount) ?? rankPrograms(rankCount);
    programs.set(rankCount, ranks);
    return sharedPassMs(ranks, { link, flopsPerMs, latentBytes: editBytes.latents });
  });
}

/** Milliseconds of a phase in a layout, by simulation. */
export function layoutMs(phase: PhaseName, layout: Layout, place: Place): number {
  const { profile, link, edit } = place;
  const key = JSON.stringify([profile.name, edit.name, link, phase, layout]);
  return remembered(times, key, () => simulatedMs(phase, layout, place));
}

function samplingOf(place: Place) {
  const { profile, link, edit, tunedParameters } = place;
  return {
    ...{ link, iterations: edit.iterations, loadMs: profile.loadMs },
    ...{ latentBytes: editBytes.latents, startBytes: valueBytes * tunedParameters },
    passMsOf: (rankCount: number): number => sharedMs(place, rankCount),
  };
}

/** The one stage of a layout. */
function stageOf(name: Layout["name"], nodeCount: number, { prompts }: EditSize): SamplingStage {
  if (name === "frames") return { prompts, atOnce: 1, nodesEach: nodeCount };
  const nodesEach = name === "prompts with frames" ? nodeCount / prompts : 1;
  return { prompts, atOnce: prompts, nodesEach };
}

function simulatedMs(
  phase: PhaseName,
  { name, nodeCount, stages: given }: Layout,
  place: Place,
): number {
  const { profile, link, edit, tunedParameters } = place;
  const { frames } = clip;
  const { latents, momentsPerFrame, pixelsPerFrame } = editBytes;
  const sampling = { ...samplingOf(place), nodeCount };
  switch (phase) {
    case "encode":
      return vaeMs({
        ...{ link, nodeCount, frames, frameMs: profile.times.encode },
        inputBytes: (count) => count * pixelsPerFrame,
        outputBytes: momentsPerFrame,
      });
    case "decode":
      return vaeMs({
        ...{ link, nodeCount, frames, frameMs: profile.times.decode },
        inputBytes: () => latents,
        outputBytes: pixelsPerFrame,
      });
    case "tune":
      return (
        edit.steps *
        drawsStepMs({
          ...{ link, memberCount: nodeCount, drawCount: edit.draws },
          ...{ drawMs: profile.times.gradients, vectorLength: tunedParameters },
        })
      );
    case "invert": {
      const stages = [{ prompts: 1, atOnce: 1, nodesEach: nodeCount }];
      return samplingMs({ ...sampling, branches: 1, isFirstWarm: false, stages });
    }
    case "sample": {
      const stages = given.length > 0 ? given : [stageOf(name, nodeCount, edit)];
      return samplingMs({ ...sampling, stages, branches, isFirstWarm: true });
    }
  }
}
