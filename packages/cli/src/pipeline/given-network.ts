import { fileDigest } from "@retake/coordinator/result";
import { badOption, tuningSpecs } from "@retake/coordinator/settings";
import { openDelta, startTensors, type TensorSource, tunedTensors } from "@retake/gpu-node";
import type { Session } from "./session.js";

/** A network that is not tuned now. */
export interface GivenNetwork {
  /** Names the network by what it depends on. */
  readonly id: string;
  readonly tensors: TensorSource;
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
    const tensors: TensorSource = () => startTensors(model.files, { seed, temporalStart });
    return { id: `untuned ${temporalStart} ${seed}`, tensors };
  }
  const { header, warning } = await openDelta(deltaPath, model.files);
  if (warning !== undefined) reporter.warn(warning);
  const label = `${deltaPath}: temporalStart`;
  const temporalStart = tuningSpecs.temporalStart.decode(header.settings.temporalStart, label);
  if (!Number.isSafeInteger(header.seed)) {
    throw badOption(deltaPath, { expected: "a seed", got: header.seed });
  }
  const { sha256 } = await fileDigest(deltaPath);
  const start = { seed: header.seed, temporalStart };
  return { id: `delta ${sha256}`, tensors: tunedTensors(model.files, { start, deltaPath }) };
}
