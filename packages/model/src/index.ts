export { geluKernel, siluKernel } from "./operators/activation.js";
export { attentionKernel } from "./operators/attention.js";
export { convolutionInputGradientKernel, convolutionKernel } from "./operators/convolution.js";
export { groupNormKernel } from "./operators/group-norm.js";
export { layerNormKernel } from "./operators/layer-norm.js";
export { linearKernel } from "./operators/linear.js";
export type { Bindings, Program, TensorSpec, WeightSpec } from "./program.js";
export type {
  ModuleKind,
  ModuleSpec,
  ProgramSpec,
  TextSpec,
  UNetGradientsSpec,
  UNetShape,
  UNetSpec,
  VaeDecodeSpec,
  VaeEncodeSpec,
} from "./program-spec.js";
export { createProgram } from "./programs/create-program.js";
export { timestepRows } from "./programs/unet-program.js";
export { vaeFactor } from "./programs/vae-program.js";
export { currentRecomputeMark, currentScopePath, inBackwardPass } from "./scope.js";
export type { TextConfig } from "./text/config.js";
export { parseTextConfig } from "./text/parse-config.js";
export { textTensors } from "./text/tensors.js";
export type { UNetConfig } from "./unet/config.js";
export { parseUNetConfig } from "./unet/parse-config.js";
export {
  isInputTensor,
  isTemporal,
  unetCheckpointTensors,
  unetInputTensors,
  unetTensors,
} from "./unet/tensors.js";
export type { VaeConfig } from "./vae/config.js";
export { parseVaeConfig } from "./vae/parse-config.js";
export { vaeTensors } from "./vae/tensors.js";
