/** Nodes that share the frames of a clip: for who measures it. */
export { predict, predictFrames, preparedFrames } from "../tasks/unet-pass.js";
export type { FrameGroup } from "./frame-group.js";
export { openGroup, sendOutgoing } from "./open-group.js";
