import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect: ((options?: { readonly type: "minor" }) => void) | undefined;

/**
 * Frees what this thread does not reach any more, now. For memory outside of the JavaScript heap,
 * such as the tensors that ONNX Runtime returns: V8 sees little of it, and would let it pile up.
 *
 * @param options.onlyYoung  what was made lately: a millisecond, however large the heap
 */
export function collectGarbage({ onlyYoung = false } = {}): void {
  if (collect === undefined) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as NonNullable<typeof collect>;
  }
  if (onlyYoung) collect({ type: "minor" });
  else collect();
}
