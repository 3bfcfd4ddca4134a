import { describe, expect, it } from "vitest";
import { ownerOf } from "./shard-owner.js";

const nodes = ["node-a", "node-b", "node-c", "node-d"];
const shards = Array.from({ length: 64 }, (_, shard) => shard);

describe("ownerOf", () => {
  it("names one member, whatever the order of the list", () => {
    for (const shard of shards) {
      const owner = ownerOf(shard, nodes);
      expect(nodes).toContain(owner);
      expect(ownerOf(shard, nodes.toReversed())).toBe(owner);
    }
  });

  it("is the same in every version: members of a rolling update must agree", () => {
    expect(shards.slice(0, 8).map((shard) => ownerOf(shard, nodes))).toMatchInlineSnapshot(`
      [
        "node-a",
        "node-b",
        "node-a",
        "node-d",
        "node-c",
        "node-b",
        "node-a",
        "node-c",
      ]
    `);
  });

  it("gives every member a share", () => {
    for (const node of nodes) {
      const owned = shards.filter((shard) => ownerOf(shard, nodes) === node).length;
      expect(owned).toBeGreaterThan(8);
      expect(owned).toBeLessThan(24);
    }
  });

  it("moves only the shards of a member that goes", () => {
    const left = nodes.slice(1);
    for (const shard of shards) {
      const before = ownerOf(shard, nodes);
      if (before !== nodes[0]) expect(ownerOf(shard, left)).toBe(before);
    }
  });

  it("refuses an empty quorum", () => {
    expect(() => ownerOf(0, [])).toThrow(/expected members/);
  });
});
