import { Code, RetakeError } from "@retake/errors";
import { describe, expect, it } from "vitest";
import { createMemoryArtifacts } from "../store/memory-artifacts.js";
import { watchedArtifacts } from "./watched-artifacts.js";

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

/** A store whose disk can be filled, and what was told of it. */
async function aStore(stop = new AbortController()) {
  const disk = { isFull: false };
  const told: string[] = [];
  const memory = await createMemoryArtifacts();
  let onTold = (): void => {};
  const tell = (what: string): void => {
    told.push(what);
    onTold();
  };
  const store = watchedArtifacts(
    {
      ...memory,
      put: async (source, options) => {
        if (!disk.isFull) return memory.put(source, options);
        throw new RetakeError(Code.ResourceExhausted, "disk-full", "no space left");
      },
    },
    {
      ...{ onFull: (what) => tell(`full: ${what}`), onRoom: () => tell("room") },
      ...{ signal: stop.signal, pauseMs: 1 },
    },
  );
  const next = (): Promise<void> =>
    new Promise((resolve) => {
      onTold = resolve;
    });
  return { disk, told, store, memory, next };
}

describe("watchedArtifacts", () => {
  it("tells once that there is no room, and that there is again, and leaves nothing", async () => {
    const { disk, told, store, memory, next } = await aStore();
    disk.isFull = true;
    await expect(store.put(once("a"))).rejects.toMatchObject({ reason: "disk-full" });
    await expect(store.put(once("b"))).rejects.toMatchObject({ reason: "disk-full" });
    expect(told).toEqual(["full: artifacts"]);
    const room = next();
    disk.isFull = false;
    await room;
    expect(told).toEqual(["full: artifacts", "room"]);
    expect(await memory.list()).toEqual([]);
    await store.put(once("c"));
    expect(told.length).toBe(2);
  });

  it("tells nothing of other failures, nor after its end", async () => {
    const stop = new AbortController();
    const { disk, told, store } = await aStore(stop);
    await expect(store.put(once("a"), { expectedId: "0".repeat(64) })).rejects.toMatchObject({
      reason: "checksum-mismatch",
    });
    disk.isFull = true;
    stop.abort();
    await expect(store.put(once("a"))).rejects.toMatchObject({ reason: "disk-full" });
    disk.isFull = false;
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).toEqual(["full: artifacts"]);
  });
});
