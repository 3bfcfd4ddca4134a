import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect: (() => void) | undefined;

/**
 * Frees what this thread does not reach any more, now. For memory outside of the JavaScript heap,
 * such as the tensors that ONNX Runtime returns: V8 sees little of it, and would let it pile up.
 */
export function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as () => void;
  }
  collect();
}
