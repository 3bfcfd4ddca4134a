import type { Program } from "../program.js";
import type { TextSpec } from "../program-spec.js";
import { rootScope } from "../scope.js";
import { textTensors } from "../text/tensors.js";
import { textEncode } from "../text/text-encoder.js";

/** The text encoder as a program: see `TextSpec` for what goes in and out. */
export function textProgram(spec: TextSpec): Program {
  const { config, batch } = spec;
  const { promptTokens, width } = config;
  return {
    inputs: [{ name: "ids", shape: [batch, promptTokens], dtype: "int32" }],
    weights: textTensors(config),
    outputs: [{ name: "hidden", shape: [batch, promptTokens, width], dtype: "float32" }],
    call: ({ input, weight }) => ({ hidden: textEncode(rootScope(weight), input("ids"), config) }),
  };
}
