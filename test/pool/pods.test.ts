import { createKubeClient } from "@retake/coordinator/kubernetes";
import { followPods } from "@retake/coordinator/pool";
import { afterEach, describe, expect, it } from "vitest";
import { ApiState } from "../kubernetes/api-state.js";
import { createLocalTransport } from "../kubernetes/local-transport.js";
import { Machine, VirtualTime } from "../kubernetes/virtual-time.js";
import { ANodePool, silent } from "./node-pool.js";

const pods = "/api/v1/namespaces/retake/pods";
const relistEveryMs = 60_000;
const ready = { type: "Ready", status: "True" };

/** Two nodes in pods, each on a machine of its own, and a coordinator that follows them. */
class APods {
  readonly state = new ApiState({ nowMs: () => 0 });
  readonly time = new VirtualTime();
  readonly nodes = new ANodePool([]);
  readonly failed: string[] = [];
  readonly #following: Promise<void>;

  constructor() {
    for (const [index, machine] of ["m0", "m1"].entries()) {
      const spec = { nodeName: machine };
      this.state.put(`${pods}/p-${index}`, { spec, status: { conditions: [ready] } });
      this.cordon(machine, false);
    }
    const machine = new Machine(this.time);
    const transport = createLocalTransport({ state: this.state, time: this.time, machine });
    this.#following = followPods({
      client: createKubeClient({ transport, clock: machine.clock }),
      ...{ namespace: "retake", coordinatorId: "c", reign: this.nodes, logger: silent },
      ...{ relistEveryMs, nowUnixMs: () => 1_000 },
      onFailed: (what) => this.failed.push(what),
    });
  }

  async close(): Promise<void> {
    this.nodes.end("the test is over");
    await this.#following;
  }

  cordon(machine: string, unschedulable: boolean): void {
    this.state.put(`/api/v1/nodes/${machine}`, { spec: { unschedulable } });
  }

  /** Lets all that waits for nothing but answers go on. */
  settle(): Promise<void> {
    return this.time.advance(1_000);
  }

  conditions(pod: string): readonly Readonly<Record<string, string>>[] {
    return Object(this.state.object(`${pods}/${pod}`)?.["status"]).conditions;
  }

  joined(pod: string): string {
    const found = this.conditions(pod).find(({ type }) => type === "retake.dev/Joined");
    return found === undefined ? "" : `${found["status"]} ${found["reason"]}: ${found["message"]}`;
  }

  /** Writes that were asked for, in order. */
  get writes(): readonly string[] {
    return this.state.requests.filter((request) => !request.startsWith("GET"));
  }
}

const open: APods[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});
async function begun(...nodeIds: readonly string[]): Promise<APods> {
  const all = new APods();
  open.push(all);
  for (const nodeId of nodeIds) all.nodes.join(nodeId);
  await all.settle();
  return all;
}
const patch = (pod: string): string => `PATCH ${pods}/${pod}/status`;
const event = "POST /api/v1/namespaces/retake/events";

describe("a pod's condition", () => {
  it("says that its node has joined, keeps those of others, and is written once", async () => {
    const all = await begun("p-0", "p-1");
    expect(all.joined("p-0")).toBe("True Joined: it takes work");
    expect(all.conditions("p-0")[0]).toEqual(ready);
    expect(all.writes.toSorted()).toEqual([patch("p-0"), patch("p-1"), event, event]);
    all.nodes.makeBusy();
    all.nodes.tell({ kind: "tick" });
    await all.settle();
    expect(all.writes).toHaveLength(4);
  });

  it("follows the node through draining, loss and another life", async () => {
    const all = await begun("p-0");
    const { nodes } = all;
    nodes.tell({ kind: "drain", nodeId: "p-0" });
    await all.settle();
    expect(all.joined("p-0")).toBe("False Draining: asked to drain");
    nodes.endProcesses(["p-0"]);
    await all.settle();
    expect(all.joined("p-0")).toBe("False Lost: its lease ran out");
    nodes.join("p-0", "p-0-again");
    await all.settle();
    expect(all.joined("p-0")).toBe("True Joined: it takes work");
    expect(all.writes).toHaveLength(8);
  });

  it("comes with an event on the pod for each change", async () => {
    const all = await begun("p-0");
    all.nodes.endProcesses(["p-0"]);
    await all.settle();
    const uid = all.state.object(`${pods}/p-0`)?.metadata["uid"];
    const events = eventsOf(all.state);
    expect(events.map(({ type, reason }) => `${type} ${reason}`)).toEqual([
      ...["Normal Joined", "Warning Lost"],
    ]);
    expect(events[0]).toMatchObject({
      involvedObject: { kind: "Pod", namespace: "retake", name: "p-0", uid },
      ...{ firstTimestamp: "1970-01-01T00:00:01Z", source: { component: "retake-coordinator" } },
    });
  });

  it("is left as it is where an earlier coordinator wrote the same", async () => {
    const all = await begun("p-0");
    const before = all.writes.length;
    const next = new ANodePool(["p-0"]);
    const machine = new Machine(all.time);
    const transport = createLocalTransport({ state: all.state, time: all.time, machine });
    const following = followPods({
      client: createKubeClient({ transport, clock: machine.clock }),
      ...{ namespace: "retake", coordinatorId: "d", reign: next, logger: silent },
      ...{ nowUnixMs: () => 9_000, onFailed: () => undefined },
    });
    await all.settle();
    expect(all.writes.length).toBe(before);
    next.end("the test is over");
    await following;
  });

  it("is written in spite of kubelet's own writes in between, and overwrites none", async () => {
    const all = await begun();
    let turns = 0;
    all.state.faults.permits = ({ verb }) => {
      if (verb === "patch" && turns < 2) {
        turns += 1;
        const conditions = [{ ...ready, turn: turns }];
        all.state.put(`${pods}/p-0`, { spec: { nodeName: "m0" }, status: { conditions } });
      }
      return true;
    };
    all.nodes.join("p-0");
    await all.settle();
    expect(all.joined("p-0")).toBe("True Joined: it takes work");
    expect(all.conditions("p-0")[0]).toEqual({ ...ready, turn: 2 });
  });

  it("disturbs no work if it cannot be written, and is tried again at the next list", async () => {
    const all = await begun();
    all.state.faults.permits = ({ verb }) => verb !== "patch";
    all.nodes.join("p-0");
    all.nodes.join("of-no-pod");
    await all.settle();
    expect(all.failed).toEqual(["condition"]);
    all.nodes.makeBusy();
    all.state.faults.permits = ({ resource }) => resource !== "events";
    await all.time.advance(relistEveryMs);
    expect(all.joined("p-0")).toBe("True Joined: it takes work");
    expect(all.failed).toEqual(["condition", "event"]);
  });
});

function eventsOf(state: ApiState): readonly Readonly<Record<string, unknown>>[] {
  const path = "/api/v1/namespaces/retake/events";
  return Object(state.handle({ method: "GET", path }).body)["items"];
}

describe("a machine that is cordoned", () => {
  it("has the node on it hand over once, with the reason, and nobody else's", async () => {
    const all = await begun("p-0", "p-1");
    const { nodes } = all;
    nodes.makeBusy();
    all.cordon("m1", true);
    await all.settle();
    expect([nodes.stateOf("p-0"), nodes.stateOf("p-1")]).toEqual(["ready", "draining"]);
    expect(all.joined("p-1")).toBe("False Draining: its machine m1 is cordoned");
    expect(eventsOf(all.state).at(-1)).toMatchObject({
      ...{ reason: "Draining", message: "its machine m1 is cordoned" },
    });
    // Kubelet starts the process again on the same machine: it waits there for its eviction.
    nodes.handOver("p-1");
    nodes.join("p-1", "p-1-again");
    await all.settle();
    expect(nodes.stateOf("p-1")).toBe("held");
    await all.time.advance(2 * relistEveryMs);
    expect(nodes.stateOf("p-1")).toBe("held");
    all.cordon("m1", false);
    await all.settle();
    expect(nodes.stateOf("p-1")).toBe("ready");
  });

  it("is noticed within one re-list where the watch has fallen silent", async () => {
    const all = await begun("p-0", "p-1");
    all.state.stallWatches();
    all.cordon("m0", true);
    await all.settle();
    expect(all.nodes.stateOf("p-0")).toBe("ready");
    await all.time.advance(relistEveryMs);
    expect(all.nodes.stateOf("p-0")).toBe("held");
  });

  it("needs to read nodes and pods, to write pods' status and events, and no more", async () => {
    const all = new APods();
    open.push(all);
    const allowed = [
      ...["list /nodes", "watch /nodes", "list /pods", "watch /pods", "get /pods"],
      ...["patch /pods/status", "create /events"],
    ];
    const used = new Set<string>();
    all.state.faults.permits = ({ verb, group, resource }) => {
      used.add(`${verb} ${group}/${resource}`);
      return allowed.includes(`${verb} ${group}/${resource}`);
    };
    all.nodes.join("p-0");
    all.cordon("m0", true);
    await all.settle();
    expect([...used].toSorted()).toEqual(allowed.toSorted());
    expect([all.nodes.stateOf("p-0"), all.failed]).toEqual(["held", []]);
  });
});
