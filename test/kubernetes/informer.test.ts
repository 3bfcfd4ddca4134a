import { type KubeObject, runInformer } from "@retake/coordinator/kubernetes";
import { describe, expect, it } from "vitest";
import { createVirtualServer } from "./virtual-server.js";

const pods = "/api/v1/namespaces/retake/pods";
const relistEveryMs = 30_000;

function setUp({ labelSelector }: { readonly labelSelector?: string } = {}) {
  const { time, state, faults, client } = createVirtualServer();
  const told: string[] = [];
  const missed: string[] = [];
  const errors: string[] = [];
  const ending = new AbortController();
  const ended = runInformer<KubeObject>({
    ...{ client, collection: pods, labelSelector, relistEveryMs, signal: ending.signal },
    onItems: (items, source) => told.push(`${source} ${[...items.keys()].join(",")}`),
    onMissed: (names) => missed.push(names.join(",")),
    onError: ({ reason }) => errors.push(reason),
  });
  const add = (name: string, object = {}) => state.put(`${pods}/${name}`, object);
  return { time, state, faults, told, missed, errors, ending, ended, add };
}

describe("runInformer", () => {
  it("lists, then follows the watch, until its signal aborts", async () => {
    const { time, state, told, missed, ending, ended, add } = setUp();
    add("a");
    await time.advance(100);
    add("b");
    await time.advance(100);
    state.remove(`${pods}/a`);
    await time.advance(100);
    expect(told).toEqual(["list a", "watch a,b", "watch b"]);
    ending.abort();
    await ended;
    expect([state.openWatches, missed]).toEqual([0, []]);
  });

  it("notices within one period what a stalled watch does not tell, and names it", async () => {
    const { time, state, told, missed, add } = setUp();
    add("a");
    await time.advance(100);
    state.stallWatches();
    add("b");
    state.remove(`${pods}/a`);
    await time.advance(relistEveryMs - 200);
    expect(told).toEqual(["list a"]);
    await time.advance(200);
    expect([told.at(-1), missed]).toEqual(["list b", ["a,b"]]);
    add("c");
    await time.advance(100);
    expect(told.at(-1)).toBe("watch b,c");
  });

  it("resumes a watch that the server ended from its last bookmark, without a list", async () => {
    const { time, state, told, add } = setUp({ labelSelector: "app=gpu-node" });
    await time.advance(100);
    add("other");
    state.sendBookmarks();
    await time.advance(10);
    state.endWatches();
    await time.advance(1000);
    add("a", { metadata: { labels: { app: "gpu-node" } } });
    await time.advance(10);
    const versions = state.requests.map((path) => /resourceVersion=(\d+)/.exec(path)?.[1]);
    expect(versions).toEqual([undefined, "1000", "1001"]);
    expect(told).toEqual(["list ", "watch a"]);
  });

  it("lists anew when the server has forgotten its version", async () => {
    const { time, state, told, errors, add } = setUp();
    await time.advance(3);
    state.compact();
    add("a");
    state.compact();
    await time.advance(relistEveryMs - 10);
    expect([told, errors]).toEqual([["list ", "list a"], []]);
  });

  it("goes on by itself when the server was away, asking no more than it must", async () => {
    const { time, state, faults, told, errors, add } = setUp();
    faults.mode = "away";
    await time.advance(60_000);
    expect(errors).toEqual(Array(errors.length).fill("kubernetes-unavailable"));
    expect(errors.length).toBeLessThan(15);
    faults.mode = "well";
    add("a");
    await time.advance(relistEveryMs + 10);
    expect(told.at(-1)).toBe("list a");
    expect(state.openWatches).toBe(1);
  });
});
