import { fileDigest } from "@retake/coordinator/result";
import { badOption, tuningSpecs } from "@retake/coordinator/settings";
import { type HostTensors, openDelta, startTensors } from "@retake/gpu-node";
import type { Session } from "./session.js";

/** A network that is not tuned now. */
export interface GivenNetwork {
  /** Names the network by what it depends on. */
  readonly id: string;
  readonly tensors: HostTensors;
}

/**
 * The network of a delta file, or without one the untuned network.
 *
 * @throws RetakeError  `file-not-found`, `file-malformed`, `tensor-shape` and the like
 */
export async function givenNetwork(
  session: Session,
  deltaPath: string | undefined,
): Promise<GivenNetwork> {
  const { model, reporter, settings } = session;
  if (deltaPath === undefined) {
    const { seed, temporalStart } = settings;
    const tensors = await startTensors(model.files, { seed, temporalStart });
    return { id: `untuned ${temporalStart} ${seed}`, tensors };
  }
  const { tensors, header, warning } = await openDelta(deltaPath, model.files);
  if (warning !== undefined) reporter.warn(warning);
  const label = `${deltaPath}: temporalStart`;
  const temporalStart = tuningSpecs.temporalStart.decode(header.settings.temporalStart, label);
  if (!Number.isSafeInteger(header.seed)) {
    throw badOption(deltaPath, { expected: "a seed", got: header.seed });
  }
  const start = await startTensors(model.files, { seed: header.seed, temporalStart });
  const { sha256 } = await fileDigest(deltaPath);
  return { id: `delta ${sha256}`, tensors: { ...start, ...tensors } };
}
