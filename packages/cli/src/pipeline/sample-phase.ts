import { type ClipPixels, decodeLatents, type HostTensor, sample } from "@retake/gpu-node";
import { type EncodedPrompts, encodingOf } from "./prompt-phase.js";
import { type Session, taskControl } from "./session.js";
import type { TunedNetwork } from "./tune-phase.js";

/** One finished edit, before it is a file. */
export interface EditedClip {
  readonly prompt: string;
  readonly clip: ClipPixels;
}

/** Samples every prompt from the same noise, then decodes them all. */
export async function samplePhase(
  session: Session,
  request: {
    readonly network: Pick<TunedNetwork, "tensors">;
    readonly latents: HostTensor;
    readonly encoded: EncodedPrompts;
    readonly prompts: readonly string[];
    readonly negative: string;
  },
): Promise<readonly EditedClip[]> {
  const { model, reporter, settings } = session;
  const { prompts, encoded } = request;
  const sampled: HostTensor[] = [];
  await reporter.phase("sample", async (phase) => {
    const control = taskControl(session, phase);
    for (const [index, prompt] of prompts.entries()) {
      const onProgress = ({ done, total }: { done: number; total: number }): void =>
        phase.progress({ done: index * total + done, total: prompts.length * total });
      const input = {
        ...{ latents: request.latents, tensors: request.network.tensors },
        ...{ prompt: encodingOf(encoded, prompt), without: encodingOf(encoded, request.negative) },
        ...{ samplingCount: settings.ddim, guidanceScale: settings.guidance },
        ...{ strength: settings.strength, joinBranches: settings.batch > 1 },
      };
      sampled.push(await sample(model, input, { ...control, onProgress }));
    }
  });
  return reporter.phase("frames", async (phase) => {
    const control = taskControl(session, phase);
    const edits: EditedClip[] = [];
    for (const [index, latents] of sampled.entries()) {
      const onProgress = ({ done, total }: { done: number; total: number }): void =>
        phase.progress({ done: index * total + done, total: sampled.length * total });
      const input = { latents, framesPerPass: settings.batch };
      const clip = await decodeLatents(model, input, { ...control, onProgress });
      edits.push({ prompt: prompts[index] ?? "", clip });
    }
    return edits;
  });
}
