export { convolutionWeightGradientKernel } from "../operators/convolution.js";
export { formOfHeads } from "../operators/heads.js";
export { rootScope, type Scope, withBackwardPass } from "../scope.js";
export { textEncode } from "../text/text-encoder.js";
export { unet } from "../unet/unet.js";
export { vaeDecoderTensors, vaeEncoderTensors } from "../vae/tensors.js";
export { vaeDecode, vaeEncode } from "../vae/vae.js";
