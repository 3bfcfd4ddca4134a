import { type Pool, PoolScaler } from "@retake/coordinator/pool";
import { RetakeError } from "@retake/errors";
import { afterEach, describe, expect, it } from "vitest";
import { type ANodePool, silent } from "./node-pool.js";

/** A pool of three nodes, and who plays their processes and whatever controls them. */
export interface PoolWorld {
  readonly pool: Pool;
  readonly nodes: ANodePool;
  /** Lets processes that have drained end, and a controller remove what is too many. */
  readonly act: () => Promise<void>;
  /** Whether more nodes come if they are asked for. */
  readonly grows: boolean;
  readonly close: () => Promise<void>;
}

/** What every pool must do, whoever controls its processes. */
export function describePool(name: string, create: () => Promise<PoolWorld>): void {
  describe(`pool: ${name}`, () => {
    const worlds: PoolWorld[] = [];
    afterEach(async () => {
      for (const world of worlds.splice(0)) {
        world.nodes.end("the test is over");
        await world.close();
      }
    });
    const begin = async () => {
      const world = await create();
      worlds.push(world);
      const { nodes, pool } = world;
      const late = new AbortController();
      const scaler = new PoolScaler(pool, { logger: silent, deadline: () => late.signal });
      const scale = (count: number) => scaler.scale(nodes, { count, handOverMs: 1 });
      const size = async () => (await pool.view(nodes.state.nodes, nodes.signal)).count;
      return { ...world, scale, late, size };
    };
    describeSizes(begin);
    describeHandOver(begin);
  });
}

type Begun = PoolWorld & {
  readonly scale: (count: number) => ReturnType<PoolScaler["scale"]>;
  readonly late: AbortController;
  readonly size: () => Promise<number>;
};

const namesOf = ({ leavers }: { leavers: readonly { nodeId: string }[] }): readonly string[] =>
  leavers.map(({ nodeId }) => nodeId);

function describeSizes(begin: () => Promise<Begun>): void {
  it("tells how many it is asked to be", async () => {
    const { size } = await begin();
    expect(await size()).toBe(3);
  });

  it("takes away those that were told to leave, and nobody else", async () => {
    const { nodes, scale, act, size } = await begin();
    const all = [...nodes.running];
    const { leaving, ended } = await scale(1);
    expect(await ended).toEqual(new Set());
    await act();
    const left = all.filter((nodeId) => !namesOf(leaving).includes(nodeId));
    expect([left.length, [...nodes.running]]).toEqual([1, left]);
    expect([await size(), [...nodes.state.nodes.keys()]]).toEqual([1, left]);
  });

  it("asks for nothing where the size is right, and disturbs nobody", async () => {
    const { nodes, scale, act, size } = await begin();
    const { leaving, ended } = await scale(3);
    await ended;
    await act();
    expect([leaving.leavers, nodes.running.size, await size()]).toEqual([[], 3, 3]);
    expect([...nodes.running].map((nodeId) => nodes.stateOf(nodeId))).toEqual([
      ...["ready", "ready", "ready"],
    ]);
  });

  it("grows at once, or says that it cannot", async () => {
    const { scale, size, grows, nodes } = await begin();
    const asked = scale(4);
    if (grows) await (await asked).ended;
    else await expect(asked).rejects.toMatchObject({ reason: "pool-fixed" });
    expect(await size()).toBe(grows ? 4 : 3);
    expect([...nodes.state.nodes.values()].every(({ state }) => state === "ready")).toBe(true);
  });

  it("may shrink to nothing", async () => {
    const { nodes, scale, act, size } = await begin();
    await (await scale(0)).ended;
    await act();
    expect([nodes.running.size, await size()]).toEqual([0, 0]);
  });
}

function describeHandOver(begin: () => Promise<Begun>): void {
  it("keeps its size until the last one that leaves has handed over", async () => {
    const { nodes, scale, act } = await begin();
    nodes.makeBusy();
    const scaling = await scale(1);
    const [first = "", second = ""] = namesOf(scaling.leaving);
    expect([nodes.stateOf(first), nodes.stateOf(second)]).toEqual(["draining", "draining"]);
    nodes.handOver(first);
    await act();
    expect([...scaling.busy]).toEqual([second]);
    expect(nodes.running.has(second)).toBe(true);
    nodes.handOver(second);
    expect(await scaling.ended).toEqual(new Set());
    await act();
    expect(nodes.running.size).toBe(1);
  });

  it("shrinks all the same when they take too long, and says who did", async () => {
    const { nodes, scale, late, size } = await begin();
    nodes.makeBusy();
    const { leaving, ended } = await scale(1);
    late.abort();
    expect(await ended).toEqual(new Set(namesOf(leaving)));
    expect(await size()).toBe(1);
  });

  it("takes the same request again as the same change", async () => {
    const { nodes, scale } = await begin();
    nodes.makeBusy();
    const [one, again] = await Promise.all([scale(1), scale(1)]);
    expect(again).toBe(one);
  });

  it("lets another count take the place of what is under way", async () => {
    const { nodes, scale, act } = await begin();
    nodes.makeBusy();
    const before = await scale(2);
    const replaced = before.ended.catch((thrown: unknown) => thrown);
    const { ended } = await scale(1);
    expect(await replaced).toBeInstanceOf(RetakeError);
    expect(await replaced).toMatchObject({ reason: "scale-replaced" });
    for (const nodeId of [...nodes.running]) {
      if (nodes.stateOf(nodeId) === "draining") nodes.handOver(nodeId);
    }
    await ended;
    await act();
    expect(nodes.running.size).toBe(1);
  });

  it("ends with the lead of its coordinator, and tells who waits", async () => {
    const { nodes, scale, size } = await begin();
    nodes.makeBusy();
    const { ended } = await scale(1);
    nodes.end("another leads");
    await expect(ended).rejects.toMatchObject({ reason: "not-active" });
    expect(await size()).toBeGreaterThan(0);
  });
}
