import type { PassKind } from "./sd-size-pass.js";

/** A run of the peer that ours is compared with. */
export interface Peer {
  readonly name: string;
  readonly args: readonly string[];
  /** How large a share of the peer's time ours may take. */
  readonly timeMax: number;
}

/** Whom each of our passes is compared with, and the bounds. */
export const peers: Readonly<Record<PassKind, readonly Peer[]>> = {
  forward: [
    { name: "authors' code", args: ["--what", "forward"], timeMax: 0.7 },
    { name: "+ fused attention", args: ["--what", "forward", "--sdpa"], timeMax: 0.83 },
  ],
  fast: [
    { name: "authors' code", args: ["--what", "step"], timeMax: 0.65 },
    { name: "+ fused attention", args: ["--what", "step", "--sdpa"], timeMax: 0.83 },
  ],
  low: [
    { name: "authors' code, recomputing", args: ["--what", "step-checkpointed"], timeMax: 0.75 },
  ],
};
/** How large a share of the peer's memory the low-memory step may take. */
export const memoryMax = 0.85;

export const titles: Readonly<Record<PassKind, string>> = {
  forward: "forward pass",
  fast: "tuning step with all gradients, fast",
  low: "tuning step with all gradients, low memory",
};
