import { describe, expect, it } from "vitest";
import { EffectQueues } from "./effect-queues.js";

const noFault = (thrown: unknown): void => {
  throw thrown;
};

describe("EffectQueues", () => {
  it("does one thing of an edit after the other, and edits beside each other", async () => {
    const queues = new EffectQueues(noFault);
    const done: string[] = [];
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    queues.push("a", async () => {
      await gate;
      done.push("a1");
    });
    queues.push("a", async () => void done.push("a2"));
    queues.push("b", async () => void done.push("b1"));
    await queues.settled("b");
    expect(done).toEqual(["b1"]);
    open();
    await queues.settled("a");
    expect(done).toEqual(["b1", "a1", "a2"]);
    expect(queues.waitingCount).toBe(0);
  });

  it("begins nothing before whoever pushes has ended", () => {
    const done: string[] = [];
    new EffectQueues(noFault).push("a", async () => void done.push("a"));
    expect(done).toEqual([]);
  });

  it("leaves out what a later entry right behind replaces, but not what is under way", async () => {
    const queues = new EffectQueues(noFault);
    const done: string[] = [];
    const write = (name: string): void =>
      queues.push("a", async () => void done.push(name), { kind: "write", replaces: true });
    write("1");
    write("2");
    write("3");
    queues.push("a", async () => void done.push("other"));
    write("4");
    write("5");
    await queues.settled("a");
    expect(done).toEqual(["1", "3", "other", "5"]);
  });

  it("stops at a fault, and tells it", async () => {
    const faults: unknown[] = [];
    const done: string[] = [];
    const queues = new EffectQueues((thrown) => faults.push(thrown));
    queues.push("a", async () => {
      throw new Error("fault");
    });
    queues.push("a", async () => void done.push("after"));
    queues.push("b", async () => void done.push("b"));
    await queues.settled("b");
    expect(faults).toEqual([new Error("fault")]);
    expect(done).toEqual(["b"]);
  });
});
