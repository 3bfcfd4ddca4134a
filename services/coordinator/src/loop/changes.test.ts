import { describe, expect, it } from "vitest";
import { Changes } from "./changes.js";

const never = new AbortController().signal;

describe("Changes", () => {
  it("wakes who waits for a thing, and nobody else", async () => {
    const changes = new Changes();
    const woken: string[] = [];
    const first = changes.next("a", never).then(() => woken.push("a"));
    const other = changes.next("b", never).then(() => woken.push("b"));
    changes.tell("a");
    await first;
    expect(woken).toEqual(["a"]);
    changes.tell("b");
    await other;
  });

  it("ends a wait with its signal, and all waits when it is closed", async () => {
    const changes = new Changes();
    const stop = new AbortController();
    const stopped = changes.next("a", stop.signal);
    const closed = changes.next("a", never);
    stop.abort(new Error("stopped"));
    changes.close(new Error("closed"));
    await expect(stopped).rejects.toThrow("stopped");
    await expect(closed).rejects.toThrow("closed");
    await expect(changes.next("a", never)).rejects.toThrow("closed");
    await expect(new Changes().next("a", stop.signal)).rejects.toThrow("stopped");
  });
});
