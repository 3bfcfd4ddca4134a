import { describe, expect, it } from "vitest";
import { decideGarbage, type KeptEdit } from "./retention.js";

const options = { editKeptMs: 100, unreferencedKeptMs: 10 };
const artifact = (id: string, storedUnixMs = 0) => ({ id, sizeBytes: 5, storedUnixMs });
const edit = (id: string, endedUnixMs: number | undefined, ...artifactIds: string[]): KeptEdit => ({
  id,
  endedUnixMs,
  artifactIds,
});
const allRead = { unreadableCount: 0 };
const idsOf = (removals: readonly { readonly id: string }[]) => removals.map(({ id }) => id);

describe("decideGarbage", () => {
  it("removes what no edit names once it is old enough, and not a moment before", () => {
    const kept = { ...allRead, edits: [], artifacts: [artifact("a", 50)] };
    expect(decideGarbage(kept, 59, options).artifacts).toEqual([]);
    expect(decideGarbage(kept, 60, options).artifacts).toEqual([
      { id: "a", reason: "no edit names it" },
    ]);
  });

  it("removes an ended edit at its age, and what only it names", () => {
    const edits = [edit("e", 0, "own", "shared"), edit("open", undefined, "shared")];
    const kept = { ...allRead, edits, artifacts: [artifact("own"), artifact("shared")] };
    expect(decideGarbage(kept, 99, options)).toMatchObject({ edits: [], artifacts: [] });
    const decision = decideGarbage(kept, 100, options);
    expect(idsOf(decision.edits)).toEqual(["e"]);
    expect(decision.artifacts).toEqual([{ id: "own", reason: "only expired edits name it" }]);
    expect(decision).toMatchObject({ freedBytes: 5, keptBytes: 5, storedByUnixMs: 90 });
    expect(decision.reason).toBe("1 of 2 edits and 1 of 2 artifacts may go: 5 of 10 bytes");
  });

  it("keeps what was uploaded again lately, though only an expired edit names it", () => {
    const kept = { ...allRead, edits: [edit("e", 0, "a")], artifacts: [artifact("a", 995)] };
    const decision = decideGarbage(kept, 1000, options);
    expect([idsOf(decision.edits), idsOf(decision.artifacts)]).toEqual([["e"], []]);
  });

  it("keeps all artifacts while a record cannot be read: it may name any of them", () => {
    const edits = [edit("e", 0, "a")];
    const kept = { unreadableCount: 1, edits, artifacts: [artifact("a"), artifact("b")] };
    const decision = decideGarbage(kept, 1000, options);
    expect([idsOf(decision.edits), idsOf(decision.artifacts)]).toEqual([["e"], []]);
    expect(decision).toMatchObject({ freedBytes: 0, keptBytes: 10 });
    expect(decision.reason).toBe(
      "1 of 1 edits and 0 of 2 artifacts may go: 0 of 10 bytes; 1 records cannot be read",
    );
  });

  it("keeps more, never less, when the clock jumped back", () => {
    const kept = {
      ...allRead,
      edits: [edit("e", 500, "a")],
      artifacts: [artifact("a", 500), artifact("b", 500)],
    };
    expect(decideGarbage(kept, 0, options)).toMatchObject({ edits: [], artifacts: [] });
  });

  it("never removes what an open or a young edit names, at any time", () => {
    const edits = [
      edit("open", undefined, "a"),
      edit("young", 1000, "b"),
      edit("old", 0, "a", "c"),
    ];
    const artifacts = ["a", "b", "c", "d"].map((id) => artifact(id));
    for (let nowMs = 0; nowMs < 1100; nowMs += 10) {
      const kept = { ...allRead, edits, artifacts };
      const removed = idsOf(decideGarbage(kept, nowMs, options).artifacts);
      expect(removed).not.toContain("a");
      expect(removed).not.toContain("b");
    }
  });
});
