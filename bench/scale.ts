/**
 * `npm run bench:scale`: an edit at the size of Stable Diffusion 1.x on 4, 8, 64 and 1,000 nodes,
 * over links of 1, 10, 25 and 100 Gb/s, simulated event by event in virtual time. How long does
 * each phase take in each layout, and does the planner pick one that is nearly the fastest?
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { rootDir } from "./places.js";
import { publishReport, type Report, type Row, runBench } from "./report.js";
import { type Layout, layoutMs, layoutOf, layoutsFor, type Place } from "./scale/layout-times.js";
import type { Link } from "./scale/network.js";
import { type Profile, profiles } from "./scale/pass-times.js";
import { type EditSize, type PhaseName, phaseNames, plannedEdit } from "./scale/planned-edit.js";
import { couplingPerPixel, passFlops } from "./scale/sd-size-edit.js";
import { drawSpeedCurves, type Panel } from "./scale/speed-curves.js";

const usage = `npm run bench:scale -- [options]
  --record       write the tables to bench/RESULTS.md, and the picture bench/scale.png`;

/** What the planner's layout may take more than the fastest. */
const ratioMax = 1.1;
const picture = join(rootDir, "bench/scale.png");
const roundTripMs = 0.5;
const gigabits = [1, 10, 25, 100] as const;
const judgedCounts = [4, 8, 64, 1000] as const;
const drawnCounts = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000] as const;

/** Of edits whose prompts and draws make no whole rounds: the most that an edit may have is 64. */
const oddCounts = [3, 5, 9, 10, 64] as const;
const oddNodeCounts = [4, 8, 63, 64, 1000] as const;
const oddEdits = oddCounts.map((count): EditSize => {
  const name = `${count} prompts, ${count} draws`;
  return { name, prompts: count, draws: count, steps: Math.round(500 / count), iterations: 50 };
});

const edits: readonly EditSize[] = [
  { name: "1 prompt, 1 draw", prompts: 1, draws: 1, steps: 500, iterations: 50 },
  { name: "4 prompts, 4 draws", prompts: 4, draws: 4, steps: 125, iterations: 50 },
  { name: "64 prompts, 64 draws", prompts: 64, draws: 64, steps: 8, iterations: 50 },
];

const linkOf = (rate: number): Link => ({ bytesPerSecond: (rate * 1e9) / 8, roundTripMs });

interface Timed {
  readonly layout: Layout;
  readonly ms: number;
}

/** One phase on so many nodes over such a link. */
interface PhaseTimes {
  /** The fastest of each name. */
  readonly byName: ReadonlyMap<string, Timed>;
  readonly picked: Timed;
  /** Of the picked one to the fastest. */
  readonly ratio: number;
}

interface Setting extends Place {
  readonly nodeCount: number;
  readonly coupling: ReturnType<typeof couplingPerPixel>;
}

function timesOf(setting: Setting): Readonly<Record<PhaseName, PhaseTimes>> {
  const { profile, edit } = setting;
  const { plans, planOfPrompt } = plannedEdit(edit, { ...setting, times: profile.times });
  const ofPhase = (phase: PhaseName): PhaseTimes => {
    const timed = (layout: Layout): Timed => ({ layout, ms: layoutMs(phase, layout, setting) });
    const picked = timed(layoutOf(plans[phase], { edit, planOfPrompt }));
    const byName = new Map<string, Timed>();
    for (const each of [picked, ...layoutsFor(phase, setting).map(timed)]) {
      const before = byName.get(each.layout.name);
      if (before === undefined || each.ms < before.ms) byName.set(each.layout.name, each);
    }
    const bestMs = Math.min(...[...byName.values()].map(({ ms }) => ms));
    return { byName, picked, ratio: picked.ms / bestMs };
  };
  const [encode, tune, invert] = [ofPhase("encode"), ofPhase("tune"), ofPhase("invert")];
  return { encode, tune, invert, sample: ofPhase("sample"), decode: ofPhase("decode") };
}

/** Of all phases; prompts are decoded side by side as far as there are nodes for it. */
function totalMs(times: ReturnType<typeof timesOf>, { edit, nodeCount }: Setting): number {
  const { encode, tune, invert, sample, decode } = times;
  const atOnce = Math.max(1, Math.floor(nodeCount / decode.picked.layout.nodeCount));
  const decodeMs = Math.ceil(edit.prompts / atOnce) * decode.picked.ms;
  return encode.picked.ms + tune.picked.ms + invert.picked.ms + sample.picked.ms + decodeMs;
}

const duration = (ms: number): string => {
  if (ms < 10_000) return `${(ms / 1000).toFixed(2)} s`;
  return ms < 1e7 ? `${(ms / 1000).toFixed(0)} s` : `${(ms / 3.6e6).toFixed(1)} h`;
};

const cellOf = (timed: Timed | undefined): string =>
  timed === undefined ? "" : `${duration(timed.ms)} (${timed.layout.nodeCount})`;

/** The rows of a phase of an edit: each layout, then what the planner picks. */
function rowsOf(phase: PhaseName, columns: readonly PhaseTimes[], edit: EditSize): readonly Row[] {
  const names = [...new Set(columns.flatMap(({ byName }) => [...byName.keys()]))];
  const subject = `${edit.name}: ${phase}`;
  const worst = Math.max(...columns.map(({ ratio }) => ratio));
  const picked = columns.map(
    ({ picked: { layout }, ratio }) => `${ratio.toFixed(2)} ${layout.name} (${layout.nodeCount})`,
  );
  return [
    ...names.map((name) => ({
      cells: [subject, name, ...columns.map(({ byName }) => cellOf(byName.get(name)))],
    })),
    { cells: [subject, `picked, of best <= ${ratioMax}`, ...picked], isMet: worst <= ratioMax },
  ];
}

/** Of odd edits: what the planner's layouts take of the fastest, and where that is most. */
function oddReportOf(profile: Profile, settings: readonly Setting[]): Report {
  const rows = oddEdits.map((edit): Row => {
    const own = settings.filter((each) => each.profile === profile && each.edit === edit);
    const times = own.map((setting) => ({ setting, phases: timesOf(setting) }));
    const worst = phaseNames.map((phase) => {
      const ratios = times.map(({ setting, phases }) => ({ setting, ...phases[phase] }));
      const [most] = ratios.toSorted((a, b) => b.ratio - a.ratio);
      if (most === undefined) throw new Error(`${edit.name}: no setting`);
      return most;
    });
    return {
      cells: [edit.name, ...worst.map(worstText)],
      isMet: worst.every(({ ratio }) => ratio <= ratioMax),
    };
  });
  return {
    title: `bench:scale, ${profile.name}, odd edits`,
    columns: [`edit: picked, of best <= ${ratioMax}`, ...phaseNames],
    rows,
    notes: [
      `The worst of ${oddNodeCounts.join(", ")} nodes over ${gigabits.join(", ")} Gb/s, and what ` +
        "is picked there. Besides the layouts above, prompts are divided in every way into " +
        "rounds of groups: as many as there are nodes for, by each useful size, and those left " +
        "by others.",
      "Nodes that share frames make their programs once for each size of group; the planner " +
        "counts that for every prompt.",
    ],
  };
}

function worstText({ ratio, picked, setting }: PhaseTimes & { readonly setting: Setting }): string {
  const { nodeCount, link } = setting;
  const where = `${nodeCount}, ${(8 * link.bytesPerSecond) / 1e9} Gb/s`;
  const { name, stages } = picked.layout;
  const told = stages.map(({ prompts, atOnce }) => `${prompts} by ${atOnce}`).join(", then ");
  if (ratio < 1.005) return ratio.toFixed(2);
  return `${ratio.toFixed(2)} (${where}: ${name}${told && ` ${told}`})`;
}

function reportOf(profile: Profile, settings: readonly Setting[]): Report {
  const own = settings.filter((setting) => setting.profile === profile);
  const rows = edits.flatMap((edit) => {
    const times = own.filter((setting) => setting.edit === edit).map(timesOf);
    const of = (phase: PhaseName) => times.map((each) => each[phase]);
    return phaseNames.flatMap((phase) => rowsOf(phase, of(phase), edit));
  });
  const columns = judgedCounts.flatMap((count) => gigabits.map((rate) => `${count}, ${rate} Gb/s`));
  const { unet, gradients, encode, decode } = profile.times;
  const each = [unet, gradients, encode, decode].map(duration);
  return {
    title: `bench:scale, ${profile.name}`,
    columns: ["edit: phase", "layout", ...columns],
    rows,
    notes: [
      "Columns: nodes, and the rate of every network card. Cells: simulated time of a layout in " +
        "the fastest of its sizes, and how many nodes that is.",
      "24 frames of 512x512 pixels, 50 + 50 iterations, 74.4 million tuned values. Of an edit " +
        `with several prompts, decode is one prompt's. ${edits.map(sizeText).join("; ")}.`,
      `A pass of the U-Net ${each[0]}, gradients ${each[1]}, a VAE frame ${each[2]} and ` +
        `${each[3]}: ${profile.note}.`,
      "Nodes compute one thing after the other, all equally fast; cards send and receive at " +
        `their rate, both at once; a round trip is ${roundTripMs} ms. The coordinator and the ` +
        "server of the gradients are hosts with such a card. Nodes pull the tuned weights before " +
        "they invert or sample; those that share frames make programs of their own first, in " +
        `${duration(profile.loadMs)}.`,
      "No software limits a link here. A gRPC connection carries 0.7 GB/s, a NATS client 0.2 " +
        "(reference/distributed.md, 5): 25 and 100 Gb/s are what a faster transport would give.",
    ],
  };
}

const sizeText = ({ name, steps }: EditSize): string => `${name}: ${steps} steps`;

function panelsOf(settings: readonly Setting[], all: readonly Profile[]): readonly Panel[] {
  return all.flatMap((profile) =>
    edits.map((edit): Panel => {
      const own = settings.filter((each) => each.profile === profile && each.edit === edit);
      const totals = own.map((each) => ({ each, ms: totalMs(timesOf(each), each) }));
      const ofRate = (rate: number) => {
        const same = totals.filter(
          ({ each: { link } }) => link.bytesPerSecond === linkOf(rate).bytesPerSecond,
        );
        const oneMs = same.find(({ each }) => each.nodeCount === 1)?.ms ?? 0;
        return same.map(({ each, ms }) => ({ nodes: each.nodeCount, speed: oneMs / ms }));
      };
      const one = totals.find(({ each }) => each.nodeCount === 1)?.ms ?? 0;
      return {
        title: `${profile.name}: ${edit.name}`,
        subtitle: `one node ${duration(one)}`,
        curves: gigabits.map((rate) => ({ name: `${rate} Gb/s`, points: ofRate(rate) })),
      };
    }),
  );
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({ options: { record: { type: "boolean", default: false } } });
  const flops = passFlops();
  const both = await profiles(flops);
  const common = { tunedParameters: flops.tunedParameters, coupling: couplingPerPixel() };
  const settingsFor = (
    counts: readonly number[],
    sizes: readonly EditSize[] = edits,
  ): readonly Setting[] =>
    both.flatMap((profile) =>
      sizes.flatMap((edit) =>
        counts.flatMap((nodeCount) =>
          gigabits.map((rate) => ({ ...common, profile, edit, nodeCount, link: linkOf(rate) })),
        ),
      ),
    );
  const judged = settingsFor(judgedCounts);
  let isMet = true;
  for (const profile of both) {
    isMet = (await publishReport(reportOf(profile, judged), values)) && isMet;
    const odd = settingsFor(oddNodeCounts, oddEdits);
    isMet = (await publishReport(oddReportOf(profile, odd), values)) && isMet;
  }
  const panels = panelsOf(settingsFor(drawnCounts), both);
  for (const { title, curves } of panels) {
    for (const { name, points } of curves) {
      const text = points.map(({ nodes, speed }) => `${nodes}: ${speed.toFixed(2)}`);
      console.log(`${title}, ${name}: ${text.join(", ")}`);
    }
  }
  if (values.record) await drawSpeedCurves(picture, panels, { inRow: edits.length });
  return isMet;
}

await runBench(main, usage);
