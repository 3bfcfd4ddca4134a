import { Code, RetakeError } from "@retake/errors";
import type { TensorSpec } from "@retake/model";
import type { HostTensor, HostTensors } from "./engine.js";

/**
 * The input that a program declares, out of those that it was given.
 *
 * @throws RetakeError  `bad-option` if it is missing, or of another shape, size or element type
 */
export function declaredInput({ name, shape, dtype }: TensorSpec, inputs: HostTensors): HostTensor {
  const expected = `${name}: expected ${dtype} [${shape}]`;
  const given = inputs[name];
  if (given === undefined) throw refused(`${expected}, got nothing`);
  const { data } = given;
  if (given.shape.length !== shape.length || shape.some((n, axis) => n !== given.shape[axis])) {
    throw refused(`${expected}, got [${given.shape}]`);
  }
  if (data.length !== shape.reduce((product, size) => product * size, 1)) {
    throw refused(`${expected}, got ${data.length} values`);
  }
  const type = data instanceof Int32Array ? "int32" : "float32";
  if (type !== dtype) throw refused(`${expected}, got ${type}`);
  return given;
}

function refused(message: string): RetakeError {
  return new RetakeError(Code.InvalidArgument, "bad-option", message);
}
