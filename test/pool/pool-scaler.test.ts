import { type Pool, PoolScaler } from "@retake/coordinator/pool";
import { Code, RetakeError } from "@retake/errors";
import { afterEach, describe, expect, it } from "vitest";
import { ANodePool, silent } from "./node-pool.js";

const open: ANodePool[] = [];
afterEach(() => {
  for (const nodes of open.splice(0)) nodes.end("the test is over");
});

/** Two pods of a StatefulSet, of which one is to go; and what the API is asked for. */
async function shrinking(resize: Pool["resize"] = async () => {}) {
  const nodes = new ANodePool(["p-0", "p-1"]);
  open.push(nodes);
  nodes.makeBusy();
  const asked: number[] = [];
  const pool: Pool = {
    view: async () => ({ kind: "stateful-set", name: "p", count: asked.at(-1) ?? 2 }),
    resize: async (counts, signal) => {
      await resize(counts, signal);
      asked.push(counts.to);
    },
  };
  const never = new AbortController().signal;
  const scaler = new PoolScaler(pool, { logger: silent, deadline: () => never });
  const { ended } = await scaler.scale(nodes, { count: 1, handOverMs: 1 });
  return { nodes, scaler, ended, asked };
}

const settled = (nodes: ANodePool): Promise<void> => nodes.changed("nodes", nodes.signal);

describe("PoolScaler", () => {
  it("takes a process that was started again as handed over, and holds it", async () => {
    const { nodes, ended, asked } = await shrinking();
    expect(asked).toEqual([]);
    nodes.join("p-1", "p-1-again");
    expect(await ended).toEqual(new Set());
    expect(asked).toEqual([1]);
    expect(nodes.stateOf("p-1")).toBe("held");
    nodes.endProcesses(["p-1"]);
    await expect.poll(() => nodes.state.leaving.pool.size).toBe(0);
    nodes.join("p-1", "p-1-later");
    expect(nodes.stateOf("p-1")).toBe("ready");
  });

  it("keeps holding it when the same size is asked for again", async () => {
    const { nodes, scaler, ended, asked } = await shrinking();
    nodes.join("p-1", "p-1-again");
    await ended;
    await scaler.scale(nodes, { count: 1, handOverMs: 1 });
    expect([nodes.stateOf("p-1"), asked]).toEqual(["held", [1]]);
  });

  it("gives back to work whom it held when a larger size is asked for", async () => {
    const { nodes, scaler, ended, asked } = await shrinking();
    nodes.join("p-1", "p-1-again");
    await ended;
    await scaler.scale(nodes, { count: 2, handOverMs: 1 });
    expect([nodes.stateOf("p-1"), asked]).toEqual(["ready", [1, 2]]);
  });

  it("tells who waits when the pool cannot be asked, and holds nobody any longer", async () => {
    const refusal = new RetakeError(Code.PermissionDenied, "not-allowed", "scale: no Role");
    const { nodes, ended } = await shrinking(async () => Promise.reject(refusal));
    nodes.join("p-1", "p-1-again");
    expect(nodes.stateOf("p-1")).toBe("held");
    const change = settled(nodes);
    await expect(ended).rejects.toBe(refusal);
    await change;
    expect(nodes.stateOf("p-1")).toBe("ready");
  });
});
