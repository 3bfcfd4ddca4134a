import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { StopChoice } from "@retake/coordinator/result";
import { type HostTensor, meanLatents, readTensors, writeTensors } from "@retake/gpu-node";
import {
  latentsError,
  leastSign,
  reconstruct,
  reconstructIterations,
  type StopLook,
  stopSteps,
} from "@retake/gpu-node/stop";
import { artifact } from "../cache/artifact-store.js";
import { encodingOf } from "./prompt-phase.js";
import { type Session, taskControl } from "./session.js";
import {
  type DeltaPlace,
  networkOf,
  type TunedNetwork,
  type TuneRequest,
  tunePhase,
} from "./tune-phase.js";

/** A look at a tuning, and what it has looked at. */
interface Look extends StopLook {
  readonly place: DeltaPlace;
  readonly network: TunedNetwork;
}

/**
 * Tunes as long as the settings say, and keeps what was tuned when the clip's own sentence gave the
 * clip back best: with few iterations, after each number of steps that `stopSteps` names.
 *
 * It is the delta of that number of steps, to the bit. Which prompts are asked for decides nothing.
 *
 * @param request.workPath   where deltas may lie that are not kept
 * @param request.deltaPath  where the one that is kept is written to
 */
export async function stopPhase(
  session: Session,
  request: TuneRequest & { readonly workPath: string; readonly deltaPath: string },
): Promise<{ readonly network: TunedNetwork; readonly stop: StopChoice }> {
  const { reporter, settings } = session;
  const { workPath, deltaPath } = request;
  const places = stopSteps(settings.steps).map((step) => ({
    ...{ step, path: join(workPath, `delta-after-${step}.safetensors`) },
  }));
  const networks = await tunePhase(session, request, places);
  const [first, ...others] = await looksAt(session, request, { places, networks });
  if (first === undefined) throw new Error("stop: expected a look, got none");
  const looks = [first, ...others] as const;
  const best = leastSign(looks);
  await rename(best.place.path, deltaPath);
  for (const { path } of places) await rm(path, { force: true });
  reporter.note(`stop: ${lookText(best)}; kept, of ${looks.map(lookText).join(", ")}`);
  const stop: StopChoice = {
    ...{ rule: "reconstruction", step: best.step, stepsMax: settings.steps },
    iterations: reconstructIterations(settings.ddim),
    looks: looks.map(({ step, sign }) => ({ step, error: sign })),
  };
  return { network: networkOf(session, { place: { path: deltaPath }, delta: best.network }), stop };
}

const lookText = ({ step, sign }: StopLook): string => `step ${step} (error ${sign.toFixed(4)})`;

/** How well each network gives the clip back. */
async function looksAt(
  session: Session,
  request: TuneRequest,
  tuned: { readonly places: readonly DeltaPlace[]; readonly networks: readonly TunedNetwork[] },
): Promise<readonly Look[]> {
  const clip = meanLatents(session.model, request.encoded.moments);
  return session.reporter.phase("stop", async (phase) => {
    const looks: Look[] = [];
    let allReused = true;
    for (const [index, place] of tuned.places.entries()) {
      const network = tuned.networks[index];
      if (network === undefined) throw new Error(`${place.path}: expected a network, got none`);
      const onProgress = ({ done, total }: { done: number; total: number }): void =>
        phase.progress({ done: index * total + done, total: tuned.places.length * total });
      const control = { ...taskControl(session, phase), onProgress };
      const { value, reused } = await reconstructed(session, {
        ...request,
        network,
        clip,
        control,
      });
      allReused &&= reused;
      looks.push({ step: place.step, sign: latentsError(clip, value), place, network });
    }
    if (allReused) phase.reuse();
    return looks;
  });
}

/** The clip as a network gives it back. */
function reconstructed(
  { model, settings, store }: Session,
  look: TuneRequest & {
    readonly network: TunedNetwork;
    readonly clip: HostTensor;
    readonly control: ReturnType<typeof taskControl>;
  },
) {
  const { network, clip, control, encoded, prompts, source } = look;
  const { guidance, strength, batch } = settings;
  const ddim = reconstructIterations(settings.ddim);
  const prompt = [...model.files.tokenizer.tokenize(source).ids];
  const joinBranches = batch > 1;
  return artifact(store, {
    kind: "reconstructed",
    key: {
      ...{ network: network.id, moments: encoded.id, numerics: model.numericsId, prompt },
      ...{ ddim, guidance, strength, joinBranches },
    },
    make: () =>
      reconstruct(
        model,
        {
          ...{ latents: clip, tensors: network.tensors, joinBranches, strength },
          ...{ prompt: encodingOf(prompts, source), emptyPrompt: encodingOf(prompts, "") },
          ...{ samplingCount: ddim, guidanceScale: guidance },
        },
        control,
      ),
    read: async (path) => (await readTensors(path, ["latents"])).latents,
    write: (path, latents) => writeTensors(path, { latents }),
  });
}
