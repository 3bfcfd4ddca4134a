export { createDraw, type Draw, type DrawOptions } from "./draw.js";
export { sineAndCosine } from "./elementary.js";
export {
  Purpose,
  type RandomStream,
  randomInteger,
  randomNormals,
  randomUniforms,
  type Seed,
} from "./random-stream.js";
export { tensorStream } from "./tensor-stream.js";
