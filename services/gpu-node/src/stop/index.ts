export { latentsError } from "./latents-error.js";
export { reconstruct, reconstructIterations } from "./reconstruct.js";
export { leastSign, type StopLook, stopSteps } from "./stop-rule.js";
