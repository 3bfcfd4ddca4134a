import { Code } from "@retake/errors";
import type { NodeInfo } from "@retake/wire/membership";
import { plainTransport } from "@retake/wire/tls";
import { afterEach, describe, expect, it, vi } from "vitest";
import { CoordinatorLinks } from "./coordinator-links.js";
import { MembershipLoop } from "./membership-loop.js";
import { TaskBoard } from "./task-board.js";
import { type FakeCoordinator, fakeCoordinator } from "./testing/fake-coordinator.js";

const info: NodeInfo = {
  ...{ nodeId: "n0", incarnation: "i", protocolVersion: 1, address: "h:1", pid: 1, version: "0" },
  ...{ engine: "e", numericsId: "x", threads: 1, memoryBytes: 0, models: [] },
};
const rates = { flopsPerSecond: 1, bytesPerSecond: 0, roundTripMs: 0, passes: [] };
const beat = { nodeId: "n0", incarnation: "i", rates, taskIds: [] };

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function twoCoordinators(): Promise<readonly [FakeCoordinator, FakeCoordinator]> {
  const often = { leaseDurationMs: 60_000, heartbeatEveryMs: 20 };
  const two = [await fakeCoordinator(often), await fakeCoordinator(often)] as const;
  ends.push(
    () => two[0].close(),
    () => two[1].close(),
  );
  return two;
}

function linksTo(
  names: readonly string[],
  resolve?: (host: string) => Promise<readonly string[]>,
): CoordinatorLinks {
  const how = resolve === undefined ? {} : { resolve };
  const links = new CoordinatorLinks(names, { token: "", transport: plainTransport, ...how });
  ends.push(() => links.close());
  return links;
}

async function bytesOf(links: CoordinatorLinks, artifactId: string): Promise<string> {
  const parts: Buffer[] = [];
  for await (const chunk of links.pull(artifactId, new AbortController().signal)) {
    if (chunk !== undefined) parts.push(Buffer.from(chunk.data));
  }
  return Buffer.concat(parts).toString();
}

describe("CoordinatorLinks", () => {
  it("asks the next one after one that does not lead, and stays with that one", async () => {
    const [first, second] = await twoCoordinators();
    first.says.leads = false;
    const links = linksTo([first.address, second.address]);
    await expect(links.join(info, rates)).rejects.toMatchObject({ reason: "not-active" });
    expect((await links.join(info, rates)).epoch).toBe(1);
    expect((await links.heartbeat(beat)).mustJoin).toBe(false);
    expect([first.joined.length, second.joined.length, second.heartbeats.length]).toEqual([
      0, 1, 1,
    ]);
    const id = second.put(Buffer.from("of the second"));
    expect(await bytesOf(links, id)).toBe("of the second");
    // Round again, when the second leads no more.
    second.says.leads = false;
    first.says.leads = true;
    await expect(links.heartbeat(beat)).rejects.toMatchObject({ reason: "not-active" });
    await links.heartbeat(beat);
    expect(first.heartbeats.length).toBe(1);
  });

  it("tries all addresses of a name, and looks it up anew after the last", async () => {
    const [first, second] = await twoCoordinators();
    const port = first.address.split(":")[1];
    const asked: string[] = [];
    let known: readonly string[] = ["127.0.0.2", "127.0.0.1"];
    const links = linksTo([`coordinators:${port}`], async (host) => {
      asked.push(host);
      return known;
    });
    await expect(links.join(info, rates)).rejects.toMatchObject({ code: Code.Unavailable });
    await links.join(info, rates);
    expect([asked, first.joined.length]).toEqual([["coordinators"], 1]);
    known = [];
    first.says.leads = false;
    await expect(links.heartbeat(beat)).rejects.toMatchObject({ reason: "not-active" });
    // A name that nobody knows is asked as it is, and says so.
    await expect(links.heartbeat(beat)).rejects.toMatchObject({ code: Code.Unavailable });
    expect(asked.length).toBe(2);
    known = ["127.0.0.1"];
    first.says.leads = true;
    await links.heartbeat(beat);
    expect([asked.length, first.heartbeats.length, second.joined.length]).toEqual([3, 1, 0]);
  });

  it("does not go elsewhere for what is refused everywhere", async () => {
    const [first, second] = await twoCoordinators();
    const links = linksTo([first.address, second.address]);
    await expect(bytesOf(links, "0".repeat(64))).rejects.toMatchObject({
      reason: "artifact-missing",
    });
    await links.join(info, rates);
    expect([first.joined.length, second.joined.length]).toEqual([1, 0]);
  });
});

describe("MembershipLoop with two coordinators", () => {
  it("joins the one that leads, and the other when that one leads", async () => {
    const [first, second] = await twoCoordinators();
    first.says.leads = false;
    const loop = new MembershipLoop({
      ...{ link: linksTo([first.address, second.address]), info, rates: () => rates },
      ...{ board: new TaskBoard(() => {}), onRoundTrip: () => {}, onJoined: () => {} },
      ...{ onReason: () => {}, onDrainAsked: () => {}, nowMs: () => performance.now() },
    });
    ends.push(() => loop.close());
    await loop.joined;
    expect([first.joined.length, second.joined.length]).toEqual([0, 1]);
    second.says.leads = false;
    first.says.leads = true;
    // It knows no such node.
    first.says.mustJoin = true;
    await vi.waitFor(() => expect(first.joined.length).toBe(1), { timeout: 20_000, interval: 20 });
    expect(second.joined.length).toBe(1);
  });
});
