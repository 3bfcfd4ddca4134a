import { Code, RetakeError } from "@retake/errors";
import { staysInPool } from "../job/leavers.js";
import type { Pool } from "./pool.js";

/**
 * Nodes that somebody started, and nobody starts again: `retake up`'s, or any fixed set. A node
 * that has drained ends its process, and that is all there is to taking it away.
 */
export function createStaticPool(): Pool {
  return {
    view: async (nodes) => {
      const count = [...nodes.values()].filter(staysInPool).length;
      return { kind: "static", name: "", count };
    },
    resize: async ({ from, to }) => {
      if (to <= from) return;
      const message =
        `pool: expected at most ${from} nodes, which have joined, got ${to}; nobody here can ` +
        "start one: start it where its GPU is, and it joins by itself";
      throw new RetakeError(Code.FailedPrecondition, "pool-fixed", message);
    },
  };
}
