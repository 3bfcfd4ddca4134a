import { createStaticPool } from "@retake/coordinator/pool";
import { ANodePool } from "./node-pool.js";
import { describePool } from "./pool-contract.js";

describePool("static", async () => {
  const nodes = new ANodePool(["a", "b", "c"]);
  /** What has drained ends its process, and nobody starts it again. */
  const act = async (): Promise<void> => {
    const ended = [...nodes.state.nodes.values()].filter(
      ({ state, tasks }) => state === "draining" && tasks.length === 0,
    );
    nodes.endProcesses(ended.map(({ info }) => info.nodeId));
  };
  return { pool: createStaticPool(), nodes, act, grows: false, close: async () => {} };
});
