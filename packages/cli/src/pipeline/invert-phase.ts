import { type HostTensor, invert, meanLatents, readTensors, writeTensors } from "@retake/gpu-node";
import { artifact } from "../cache/artifact-store.js";
import type { EncodedClip } from "./encode-phase.js";
import { type EncodedPrompts, encodingOf } from "./prompt-phase.js";
import { type Session, taskControl } from "./session.js";
import type { TunedNetwork } from "./tune-phase.js";

/** The noise of the clip, for this network: where every edit starts. */
export async function invertPhase(
  session: Session,
  request: {
    readonly network: Pick<TunedNetwork, "id" | "tensors">;
    readonly encoded: EncodedClip;
    readonly prompts: EncodedPrompts;
  },
): Promise<HostTensor> {
  const { model, reporter, store, settings } = session;
  const { network, encoded, prompts } = request;
  const { ddim, strength } = settings;
  return reporter.phase("invert", async (phase) => {
    const { value, reused } = await artifact(store, {
      kind: "inverted",
      key: { network: network.id, moments: encoded.id, numerics: model.numericsId, ddim, strength },
      make: () =>
        invert(
          model,
          {
            latents: meanLatents(model, encoded.moments),
            emptyPrompt: encodingOf(prompts, ""),
            ...{ tensors: network.tensors, samplingCount: ddim, strength },
          },
          taskControl(session, phase),
        ),
      read: async (path) => (await readTensors(path, ["latents"])).latents,
      write: (path, latents) => writeTensors(path, { latents }),
    });
    if (reused) phase.reuse();
    return value;
  });
}
