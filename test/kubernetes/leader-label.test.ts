import { createKubeClient, LeaderLabel, leadsLabel } from "@retake/coordinator/kubernetes";
import { afterEach, describe, expect, it } from "vitest";
import { chanceOf } from "../sim/random.js";
import type { ApiAccess, ApiState } from "./api-state.js";
import type { Journey } from "./journeys.js";
import { createLocalTransport } from "./local-transport.js";
import { createVirtualServer } from "./virtual-server.js";
import { Machine, type VirtualTime } from "./virtual-time.js";

const pods = "/api/v1/namespaces/retake/pods";
const relistEveryMs = 30_000;
/** Other schedules: `RETAKE_SEED=21 npx vitest run test/kubernetes/leader-label.test.ts`. */
const firstSeed = Number(process.env.RETAKE_SEED ?? 1);
const schedules = 20;

/** A coordinator's process in its pod, as far as it says whether it leads. */
class AProcess {
  readonly failed: string[] = [];
  readonly label: LeaderLabel;
  mode: Journey["mode"] = "well";
  readonly #ending = new AbortController();

  constructor(pod: string, { state, time }: { state: ApiState; time: VirtualTime }) {
    const machine = new Machine(time);
    const journey = (): Journey => ({ mode: this.mode, thereMs: 1, backMs: 1 });
    const transport = createLocalTransport({ state, time, machine, journey });
    const client = createKubeClient({ transport, clock: machine.clock });
    const about = { client, namespace: "retake", pod, relistEveryMs };
    this.label = new LeaderLabel({ ...about, onError: () => undefined });
    const onFailed = ({ reason }: { readonly reason: string }) => this.failed.push(reason);
    void this.label.follow({ signal: this.#ending.signal, onFailed });
  }

  /** As SIGKILL does: it takes nothing back. */
  kill(): void {
    this.#ending.abort();
  }
}

const open: AProcess[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.kill();
});

/** Two pods of coordinators, and one of another thing. */
function setUp() {
  const server = createVirtualServer();
  const { state, time } = server;
  for (const name of ["a", "b", "gpu-node-0"]) {
    state.put(`${pods}/${name}`, { metadata: { labels: { app: name } }, spec: { image: "i" } });
  }
  const start = (pod: string): AProcess => {
    const started = new AProcess(pod, server);
    open.push(started);
    return started;
  };
  const metadata = (name: string) => Object(state.object(`${pods}/${name}`)?.metadata);
  const labelled = (): string[] =>
    ["a", "b", "gpu-node-0"].filter((name) => metadata(name).labels[leadsLabel] === "true");
  return { ...{ state, time, start, labelled, metadata }, settle: () => time.advance(1_000) };
}

const costs = "controller.kubernetes.io/pod-deletion-cost";

describe("LeaderLabel", () => {
  it("labels the pod of who leads, with what else it has, and says when that is so", async () => {
    const { start, settle, labelled, metadata, state } = setUp();
    const [a] = [start("a"), start("b")];
    expect(a.label.isTrue).toBe(false);
    await settle();
    expect([labelled(), a.label.isTrue]).toEqual([[], true]);
    a.label.setLeads(true);
    expect(a.label.isTrue).toBe(false);
    await settle();
    expect([labelled(), a.label.isTrue]).toEqual([["a"], true]);
    expect(metadata("a")).toMatchObject({ labels: { app: "a" }, annotations: { [costs]: "1" } });
    expect(state.object(`${pods}/a`)?.spec).toEqual({ image: "i" });
    a.label.setLeads(false);
    await settle();
    expect([labelled(), metadata("a").annotations]).toEqual([[], {}]);
  });

  it("takes it off a leader's pod that was killed, and off its own when it starts", async () => {
    const { start, settle, labelled } = setUp();
    const [a, b] = [start("a"), start("b")];
    a.label.setLeads(true);
    await settle();
    a.kill();
    b.label.setLeads(true);
    await settle();
    expect(labelled()).toEqual(["b"]);
    // All are killed, and nobody leads: each pod, started anew, says so.
    b.kill();
    const again = start("b");
    await settle();
    expect([labelled(), again.label.isTrue]).toEqual([[], true]);
  });

  it("takes it off a pod that got it behind a stalled watch, within one re-list", async () => {
    const { start, settle, labelled, state, time } = setUp();
    const b = start("b");
    b.label.setLeads(true);
    await settle();
    state.stallWatches();
    const labels = { [leadsLabel]: "true" };
    state.put(`${pods}/a`, { metadata: { labels } });
    await settle();
    expect(labelled()).toEqual(["a", "b"]);
    await time.advance(relistEveryMs);
    expect(labelled()).toEqual(["b"]);
  });

  it("tells of what failed, tries again, and writes the last that was asked for", async () => {
    const { start, settle, labelled, state, time } = setUp();
    const a = start("a");
    await settle();
    state.faults.permits = ({ verb }) => verb !== "patch";
    a.label.setLeads(true);
    await settle();
    expect([labelled(), a.label.isTrue, a.failed[0]]).toEqual([[], false, "not-allowed"]);
    await time.advance(60_000);
    // Twice as long after each failure, ten seconds at most.
    expect(a.failed.length).toBeLessThan(13);
    state.faults.permits = undefined;
    await time.advance(10_000);
    expect([labelled(), a.label.isTrue]).toEqual([["a"], true]);
  });

  it("does not believe a write whose answer was lost", async () => {
    const { start, settle, labelled, state, time } = setUp();
    const a = start("a");
    await settle();
    state.stallWatches();
    a.mode = "deaf";
    a.label.setLeads(true);
    await settle();
    expect([labelled(), a.label.isTrue]).toEqual([["a"], false]);
    a.label.setLeads(false);
    await settle();
    a.mode = "well";
    await time.advance(10_000);
    expect([labelled(), a.label.isTrue]).toEqual([[], true]);
  });

  it("is in nobody's way where a pod has gone meanwhile", async () => {
    const { start, settle, labelled, state } = setUp();
    const b = start("b");
    await settle();
    state.put(`${pods}/a`, { metadata: { labels: { [leadsLabel]: "true" } } });
    await settle();
    state.stallWatches();
    state.remove(`${pods}/a`);
    b.label.setLeads(true);
    await settle();
    expect([b.failed, b.label.isTrue]).toEqual([[], true]);
    state.put(`${pods}/a`, { metadata: { labels: {} } });
    expect(labelled()).toEqual(["b"]);
  });

  it("writes once a second at the most where two believe that they lead", async () => {
    const { start, settle, time, state, labelled } = setUp();
    const [a, b] = [start("a"), start("b")];
    a.label.setLeads(true);
    b.label.setLeads(true);
    await settle();
    const before = state.requests.length;
    await time.advance(10_000);
    expect(state.requests.length - before).toBeLessThan(45);
    a.label.setLeads(false);
    await time.advance(2_000);
    expect(labelled()).toEqual(["b"]);
  });

  it("needs to list and watch pods, and to write their status, and no more", async () => {
    const { start, settle, state } = setUp();
    const used = new Set<string>();
    state.faults.permits = ({ verb, group, resource }: ApiAccess) => {
      used.add(`${verb} ${group}/${resource}`);
      return true;
    };
    start("a").label.setLeads(true);
    await settle();
    expect([...used].sort()).toEqual(["list /pods", "patch /pods/status", "watch /pods"]);
  });

  it(`ends with the leader's pod alone, after ${schedules} schedules of faults`, async () => {
    for (let seed = firstSeed; seed < firstSeed + schedules; seed += 1) {
      const { left, of } = await afterFaults(seed);
      expect([left, of], `seed ${seed}`).toEqual([of, of]);
    }
  });
});

/** Leads, losses, kills and cut ways, by chance; then all is well, and one leads. */
async function afterFaults(seed: number) {
  const chance = chanceOf(seed);
  const { start, labelled, time, state } = setUp();
  const running = new Map(["a", "b"].map((name) => [name, start(name)]));
  const modes = ["well", "away", "silent", "deaf"] as const;
  for (let turn = 0; turn < 30; turn += 1) {
    const name = chance.happens(0.5) ? "a" : "b";
    const process = running.get(name);
    const what = chance.whole({ min: 0, max: 5 });
    if (what === 0) {
      process?.kill();
      running.set(name, start(name));
    } else if (what === 1 && process !== undefined) {
      process.mode = modes[chance.whole({ min: 0, max: 3 })] ?? "well";
    } else if (what === 2) state.stallWatches();
    else if (what === 3) state.compact();
    // Also both at once, as when the one that has lost the lead does not know it yet.
    else process?.label.setLeads(chance.happens(0.5));
    await time.advance(chance.whole({ min: 1, max: 15_000 }));
  }
  const leader = chance.happens(0.5) ? "a" : "b";
  for (const [name, process] of running) {
    process.mode = "well";
    process.label.setLeads(name === leader);
  }
  await time.advance(2 * relistEveryMs);
  for (const process of running.values()) expect(process.label.isTrue, `seed ${seed}`).toBe(true);
  return { left: labelled(), of: [leader] };
}
