import { createHash } from "node:crypto";
import type { ClipPixels, HostTensor } from "@retake/gpu-node";
import { isUnseen } from "../world/vocabulary.js";
import type { Classifier } from "./classifier.js";
import { isStepCount } from "./early-stop.js";
import type { Editor, EncodedClip, Network } from "./editor.js";
import type { JudgedClip, JudgedEdit } from "./judged-clips.js";
import { type Method, needsSeeds } from "./methods.js";
import type { Result, Results } from "./results.js";
import { scoreOf } from "./score.js";
import { type Signs, signsOf } from "./signs.js";

export interface Judging {
  readonly editor: Editor;
  readonly classifier: Classifier;
  readonly results: Results;
  readonly methods: readonly Method[];
  readonly seeds: readonly number[];
  /** Called with the frames of each edit that was computed now. */
  readonly onEdit: (result: Result, frames: ClipPixels) => Promise<void>;
}

/** No edits, but their bounds: the truth, and the truth through the VAE. */
export const truthMethods = ["truth", "truth-through-vae"] as const;

/** Edits a clip by every method and seed that has no result yet, and scores what comes out. */
export async function judgeClip(judging: Judging, clip: JudgedClip): Promise<void> {
  const { editor, methods, seeds } = judging;
  await judgeTruths(judging, clip);
  const missing = (seed: number): readonly Method[] =>
    methods.filter(
      (method) =>
        (seed === seeds[0] || needsSeeds(method)) &&
        clip.edits.some((edit) => !isDone(judging, { clip, edit, method: method.name, seed })),
    );
  if (seeds.every((seed) => missing(seed).length === 0)) return;
  const encoded = await editor.encode(clip.frames);
  for (const seed of seeds) {
    for (const group of groupedByTuning(missing(seed))) {
      await judgeTuning(judging, { clip, encoded, seed, group });
    }
  }
}

export interface CaseName {
  readonly clip: JudgedClip;
  readonly edit: JudgedEdit;
  readonly method: string;
  readonly seed: number;
}

const modelNameLength = 12;
const settingsNameLength = 8;

/** The checkpoint's name in results. */
export const modelName = ({ editor }: Judging): string =>
  editor.files.hash.slice(0, modelNameLength);

/** Names a method's settings, and the engine, by their content; the truth has none. */
export function settingsName({ editor, methods }: Judging, name: string): string {
  const method = methods.find((each) => each.name === name);
  if (method === undefined) return "";
  const content = JSON.stringify([{ ...method, name: "" }, editor.numericsId]);
  return createHash("sha256").update(content).digest("hex").slice(0, settingsNameLength);
}

/** What a result is called: all of it but its figures. */
export function nameOf(
  judging: Judging,
  { clip, edit, method, seed }: CaseName,
): Omit<Result, "score"> {
  return {
    ...{ model: modelName(judging), method, settings: settingsName(judging, method) },
    steps: judging.methods.find(({ name }) => name === method)?.steps ?? 0,
    ...{ set: clip.set, clip: clip.id, kind: edit.kind, seed },
    keepsUnseen: isUnseen(edit.content),
  };
}

const isDone = (judging: Judging, name: CaseName): boolean =>
  judging.results.has(nameOf(judging, name));

async function keep(
  judging: Judging,
  name: CaseName,
  { frames, signs }: { readonly frames: ClipPixels; readonly signs?: Signs | undefined },
): Promise<void> {
  const { classifier, results, onEdit } = judging;
  const score = await scoreOf(frames, { clip: name.clip, edit: name.edit, classifier });
  const result = { ...nameOf(judging, name), score, ...(signs === undefined ? {} : { signs }) };
  await results.add(result);
  await onEdit(result, frames);
}

async function judgeTruths(judging: Judging, clip: JudgedClip): Promise<void> {
  const { editor } = judging;
  for (const edit of clip.edits) {
    const { truth } = edit;
    if (truth === undefined) continue;
    const [plain, through] = truthMethods.map((method) => ({ clip, edit, method, seed: 0 }));
    if (plain !== undefined && !isDone(judging, plain)) {
      await keep(judging, plain, { frames: truth });
    }
    if (through === undefined || isDone(judging, through)) continue;
    const { latents } = await editor.encode(truth);
    await keep(judging, through, { frames: await editor.decode(latents) });
  }
}

/** Methods that share a tuning, and differ in when it ends and what is done with it. */
function groupedByTuning(methods: readonly Method[]): readonly (readonly Method[])[] {
  const groups = new Map<string, Method[]>();
  for (const method of methods) {
    const key = JSON.stringify(method.tuning);
    groups.set(key, [...(groups.get(key) ?? []), method]);
  }
  return [...groups.values()];
}

async function judgeTuning(
  judging: Judging,
  work: {
    readonly clip: JudgedClip;
    readonly encoded: EncodedClip;
    readonly seed: number;
    readonly group: readonly Method[];
  },
): Promise<void> {
  const { editor } = judging;
  const { clip, encoded, seed, group } = work;
  const [first] = group;
  if (first === undefined) return;
  const atSteps = [...new Set(group.map(({ steps }) => steps))];
  const { tuning } = first;
  const request = { clip: encoded, caption: clip.caption, tuning, seed, atSteps };
  const networks = await editor.tune(request);
  for (const steps of atSteps) {
    const network = networks.get(steps);
    if (network === undefined) throw new Error(`tuning: expected a network after ${steps} steps`);
    const starts = new Map<string, Start>();
    for (const method of group.filter((each) => each.steps === steps)) {
      await judgeMethod(judging, { ...work, method, network, starts });
    }
  }
}

/** Where sampling starts, and what it gives for the clip's own sentence. */
interface Start {
  readonly latents: HostTensor;
  /** Of methods that early stopping chooses from. */
  readonly reconstructed: HostTensor | undefined;
}

async function judgeMethod(
  judging: Judging,
  work: {
    readonly clip: JudgedClip;
    readonly encoded: EncodedClip;
    readonly seed: number;
    readonly method: Method;
    readonly network: Network;
    /** Latents to start from that this network has already; the map is filled. */
    readonly starts: Map<string, Start>;
  },
): Promise<void> {
  const { editor } = judging;
  const { clip, encoded, seed, method, network, starts } = work;
  const { start: kind, strength, guidance, ddim } = method;
  const key = JSON.stringify([kind, strength, guidance, ddim, isStepCount(method.name)]);
  for (const edit of clip.edits) {
    const name = { clip, edit, method: method.name, seed };
    if (isDone(judging, name)) continue;
    const start = starts.get(key) ?? (await startOf(judging, work));
    starts.set(key, start);
    const { latents, reconstructed } = start;
    const edited = await editor.sample(edit.prompt, method, { latents, network });
    const frames = await editor.decode(edited);
    const clean = encoded.latents;
    const signs = reconstructed && signsOf({ clip: clean, reconstructed, edited });
    await keep(judging, name, { frames, signs });
  }
}

async function startOf(
  { editor }: Judging,
  work: {
    readonly clip: JudgedClip;
    readonly encoded: EncodedClip;
    readonly seed: number;
    readonly method: Method;
    readonly network: Network;
  },
): Promise<Start> {
  const { clip, encoded, seed, method, network } = work;
  const latents = await editor.startLatents(method, { clip: encoded, network, seed });
  const reconstructed = isStepCount(method.name)
    ? await editor.sample(clip.caption, method, { latents, network })
    : undefined;
  return { latents, reconstructed };
}
