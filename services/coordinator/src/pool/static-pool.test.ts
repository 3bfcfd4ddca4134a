import { createStaticPool } from "./static-pool.js";
import { describePool } from "./testing/pool-contract.js";
import { ANodePool } from "./testing/scaled-reign.js";

describePool("static", async () => {
  const nodes = new ANodePool(["a", "b", "c"]);
  /** What has drained ends its process, and nobody starts it again. */
  const act = async (): Promise<void> => {
    const ended = [...nodes.reign.state.nodes.values()].filter(
      ({ state, tasks }) => state === "draining" && tasks.length === 0,
    );
    nodes.end(ended.map(({ info }) => info.nodeId));
  };
  return { pool: createStaticPool(), nodes, act, grows: false, close: async () => {} };
});
