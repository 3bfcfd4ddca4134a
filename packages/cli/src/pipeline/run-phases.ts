import { join, resolve } from "node:path";
import { type StopChoice, writeEdits } from "@retake/coordinator/result";
import { Code, RetakeError } from "@retake/errors";
import { type HostTensor, readTensors, writeTensors } from "@retake/gpu-node";
import type { SourceClip } from "./clip-phase.js";
import { type EncodedClip, encodePhase } from "./encode-phase.js";
import { type GivenNetwork, givenNetwork } from "./given-network.js";
import { invertPhase } from "./invert-phase.js";
import type { Job } from "./job.js";
import { type EncodedPrompts, promptPhase } from "./prompt-phase.js";
import { samplePhase } from "./sample-phase.js";
import type { Session } from "./session.js";
import { stopPhase } from "./stop-phase.js";
import { type TunedNetwork, type TuneRequest, tunePhase } from "./tune-phase.js";

/** What the phases say of themselves in the manifest. */
export interface PhasesDone {
  /** Files that took the place of a phase, by what they are. */
  readonly given: Readonly<Record<string, string>>;
  readonly tuning: Readonly<Record<string, unknown>> | null;
  /** Where the number of steps was chosen. */
  readonly stop?: StopChoice | undefined;
}

interface Run {
  readonly job: Job;
  readonly source: SourceClip;
  readonly workPath: string;
}

interface RunOnNetwork extends Run {
  readonly network: GivenNetwork;
  readonly encoded: EncodedClip;
  readonly prompts: EncodedPrompts;
}

/** The phases of the job's command, in order; files go to the work folder. */
export async function runPhases(session: Session, run: Run): Promise<PhasesDone> {
  const { job, source, workPath } = run;
  const { command, deltaPath, latentsPath } = job;
  const prompts = await promptPhase(session, sentencesOf(job));
  const encoded = await encodePhase(session, source);
  if (command === "tune" || command === "edit") {
    const { snapshotEvery, resume } = job;
    const request = { source: job.source ?? "", clipHash: source.hash, encoded, prompts };
    const tuning = { ...request, snapshotEvery, resume };
    const { network, stop } = await tuned(session, { ...tuning, job, workPath });
    if (command === "edit") await edit(session, { ...run, network, encoded, prompts });
    const { step, settings } = network.header;
    return { given: {}, tuning: { step, ...settings }, stop };
  }
  const network = await givenNetwork(session, deltaPath);
  const onNetwork = { ...run, network, encoded, prompts };
  if (command === "sample") await edit(session, onNetwork);
  else {
    const latents = await invertPhase(session, onNetwork);
    await writeTensors(join(workPath, "inverted.safetensors"), { latents });
  }
  const given = { delta: deltaPath, latents: latentsPath };
  const named = Object.entries(given).flatMap(([name, path]) =>
    path === undefined ? [] : [[name, resolve(path)] as const],
  );
  return { given: Object.fromEntries(named), tuning: null };
}

/** The network after as many steps as the settings say, or as were chosen of them. */
async function tuned(
  session: Session,
  request: TuneRequest & Pick<Run, "job" | "workPath">,
): Promise<{ readonly network: TunedNetwork; readonly stop?: StopChoice }> {
  const deltaPath = join(request.workPath, "delta.safetensors");
  if (request.job.stop === "auto") return stopPhase(session, { ...request, deltaPath });
  const places = [{ step: session.settings.steps, path: deltaPath }];
  const [network] = await tunePhase(session, request, places);
  if (network === undefined) throw new Error(`${deltaPath}: expected a network, got none`);
  return { network };
}

/** Everything that is said, to be encoded: the empty prompt is part of inversion and guidance. */
function sentencesOf({ source, negative, prompts }: Job): readonly string[] {
  return [...(source === undefined ? [] : [source]), "", negative, ...prompts];
}

async function edit(session: Session, run: RunOnNetwork): Promise<void> {
  const { job, source, workPath, network, encoded, prompts } = run;
  const latents =
    job.latentsPath === undefined
      ? await invertPhase(session, run)
      : await givenLatents(job.latentsPath, encoded);
  const edits = await samplePhase(session, {
    ...{ network, latents, encoded: prompts, prompts: job.prompts, negative: job.negative },
  });
  const { reporter, environment } = session;
  const { isSilent } = await reporter.phase("write", () =>
    writeEdits({
      ...{ workPath, edits, clip: source.clip, clipPath: job.clipPath },
      ...{ sourceLabel: job.source ?? "source", signal: environment.signal },
    }),
  );
  if (isSilent) reporter.warn(`${job.clipPath}: its sound cannot be read; the edits are silent`);
}

async function givenLatents(path: string, encoded: EncodedClip): Promise<HostTensor> {
  const { latents } = await readTensors(path, ["latents"]);
  const expected = encoded.moments.mean.shape;
  if (String(latents.shape) === String(expected)) return latents;
  const message = `${path}: expected latents of [${expected}], got [${latents.shape}]`;
  const advice = "invert the same clip with the same --frames and --size";
  throw new RetakeError(Code.InvalidArgument, "tensor-shape", `${message}; ${advice}`);
}
