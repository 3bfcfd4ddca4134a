import type { LayoutName, Plan } from "@retake/coordinator/job";
import { drawsStepMs } from "./draws-step.js";
import { type RankProgram, sharedPassMs } from "./frame-passes.js";
import type { Link } from "./network.js";
import type { Profile } from "./pass-times.js";
import type { EditSize, PhaseName, PlannedEdit } from "./planned-edit.js";
import { samplingMs } from "./sampling.js";
import { clip, editBytes, rankPrograms } from "./sd-size-edit.js";
import { vaeMs } from "./vae-frames.js";

/** A layout on so many nodes. */
export interface Layout {
  readonly name: LayoutName | "prompts with frames";
  readonly nodeCount: number;
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
  { edit, nodeCount }: { readonly edit: EditSize; readonly nodeCount: number },
): readonly Layout[] {
  const of = (name: Layout["name"], counts: readonly number[]): readonly Layout[] =>
    counts.filter((count) => count <= nodeCount).map((count) => ({ name, nodeCount: count }));
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
      ];
    }
  }
}

/** The layout that a plan means; who helps whom is planned anew when all prompts have begun. */
export function layoutOf(
  { layout, nodeIds: { length: nodeCount } }: Plan,
  { edit, planOfPrompt }: Pick<PlannedEdit, "planOfPrompt"> & { readonly edit: EditSize },
): Layout {
  const left = Math.floor(nodeCount / edit.prompts);
  if (layout !== "prompts" || left < 2) return { name: layout, nodeCount };
  const isFrames = planOfPrompt(left).layout === "frames";
  return { name: isFrames ? "prompts with frames" : "prompts", nodeCount };
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
  const keys = [profile.name, edit.name, link.bytesPerSecond, phase, layout.name];
  const key = [...keys, layout.nodeCount].join();
  return remembered(times, key, () => simulatedMs(phase, layout, place));
}

function simulatedMs(phase: PhaseName, { name, nodeCount }: Layout, place: Place): number {
  const { profile, link, edit, tunedParameters } = place;
  const { frames } = clip;
  const { latents, momentsPerFrame, pixelsPerFrame } = editBytes;
  const { iterations } = edit;
  const sampling = {
    ...{ link, nodeCount, iterations, passMs: profile.times.unet, latentBytes: latents },
    ...{ startBytes: valueBytes * tunedParameters, loadMs: profile.loadMs },
  };
  const passMsOf = (rankCount: number): number => sharedMs(place, rankCount);
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
      const help = { kind: "frames", groups: 1, passMsOf } as const;
      return samplingMs({ ...sampling, prompts: 1, branches: 1, isFirstWarm: false, help });
    }
    case "sample": {
      const groups = name === "frames" ? 1 : edit.prompts;
      const isFrames = name === "frames" || name === "prompts with frames";
      const help = isFrames
        ? ({ kind: "frames", groups, passMsOf } as const)
        : ({ kind: "branches" } as const);
      return samplingMs({ ...sampling, prompts: edit.prompts, branches, isFirstWarm: true, help });
    }
  }
}
