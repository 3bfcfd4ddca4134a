/** Memory outside of the JavaScript heap: messages, tensors. Imports nothing but Node. */
export { collectGarbage } from "./memory/collect-garbage.js";
export { prepareMemory } from "./memory/prepare-memory.js";
