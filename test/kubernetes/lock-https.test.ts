import { writeFile } from "node:fs/promises";
import { createMemoryStores, jsonCodec } from "@retake/coordinator";
import {
  createKubeClient,
  createKubeLeaseRecords,
  createKubeLock,
  findKubernetes,
  type KubeTransport,
  type LeaderRecords,
  type Leadership,
} from "@retake/coordinator/kubernetes";
import { Code, RetakeError } from "@retake/errors";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { temporaryFolder } from "../mtls/temporary-folder.js";
import { chanceOf } from "../sim/random.js";
import { ApiState } from "./api-state.js";
import { type FakeApiServer, startFakeApiServer, writeKubeconfig } from "./fake-api-server.js";

const leaseDurationMs = 3000;
const patience = { timeout: 60_000, interval: 20 };
const path = "/apis/coordination.k8s.io/v1/namespaces/retake/leases/coordinator";
/** Other schedules: `RETAKE_SEED=21 npx vitest run test/kubernetes/lock-https.test.ts`. */
const firstSeed = Number(process.env.RETAKE_SEED ?? 1);

const state = new ApiState();
const folder = await temporaryFolder();
let server: FakeApiServer;
let tokenPath: string;

beforeAll(async () => {
  server = await startFakeApiServer(state);
  ({ tokenPath } = await writeKubeconfig(folder, server, "first"));
  vi.stubEnv("KUBECONFIG", `${folder}/kubeconfig`);
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await server.close();
});

/** A coordinator that wants to lead, again and again, over HTTPS and by the real clock. */
class Contender {
  leads: Leadership | undefined;
  isCut = false;
  readonly #ending = new AbortController();
  readonly #done: Promise<void>;

  constructor(name: string, leaders: LeaderRecords, onLeads: (epoch: number) => void) {
    const { transport } = findKubernetes();
    const cut: KubeTransport = {
      ...transport,
      send: (request) => (this.isCut ? Promise.reject(unreachable()) : transport.send(request)),
    };
    const lease = createKubeLeaseRecords({
      ...{ client: createKubeClient({ transport: cut }), namespace: "retake" },
      ...{ name: "coordinator", deadlineMs: leaseDurationMs / 3, nowUnixMs: Date.now },
    });
    const lock = createKubeLock({ lease, leaders, leaseDurationMs });
    this.#done = this.#leadAgainAndAgain(async () => {
      const lost = new AbortController();
      const { signal } = this.#ending;
      const leadership = await lock.acquire(name, { onLost: () => lost.abort(), signal });
      const over = AbortSignal.any([lost.signal, signal]);
      if (!over.aborted) {
        this.leads = leadership;
        onLeads(leadership.epoch);
        await new Promise((resolve) => over.addEventListener("abort", resolve, { once: true }));
        this.leads = undefined;
      }
      await leadership.release();
    });
  }

  async end(): Promise<void> {
    this.#ending.abort();
    await this.#done;
  }

  async #leadAgainAndAgain(lead: () => Promise<void>): Promise<void> {
    while (!this.#ending.signal.aborted) {
      await lead().catch((thrown: unknown) => {
        const reason = thrown instanceof RetakeError ? thrown.reason : String(thrown);
        expect(["stopped", "kubernetes-unavailable"]).toContain(reason);
      });
    }
  }
}

const unreachable = (): RetakeError =>
  new RetakeError(Code.Unavailable, "kubernetes-unavailable", "the test has cut the way there");

const renewed = (): unknown => Object(state.object(path)?.spec).renewTime;

/** Waits for so many renewals, of whoever leads. */
async function renewals(count: number): Promise<void> {
  for (let seen = 0; seen < count; seen += 1) {
    const before = renewed();
    await vi.waitFor(() => expect(renewed()).not.toBe(before), patience);
  }
}

const little: readonly (() => Promise<void>)[] = [
  async () => server.cutConnections(),
  async () => void Object.assign(state.faults, { throttledRequests: 2, retryAfterS: 1 }),
  async () => {
    const token = `token-${state.requests.length}`;
    state.faults.tokens = new Set([token]);
    await writeFile(tokenPath, token);
  },
];

it.each([0, 1, 2].map((index) => firstSeed + index))(
  "one coordinator leads at a time over HTTPS, with a new epoch after each loss (seed %d)",
  async (seed) => {
    const chance = chanceOf(seed);
    const record = jsonCodec((json) => json);
    const commit = jsonCodec((json) => json as { editId: string; epoch: number; step: number });
    const { leaders } = createMemoryStores({ record, commit });
    const epochs: number[] = [];
    const contenders: Contender[] = [];
    const onLeads = (epoch: number): void => {
      epochs.push(epoch);
      expect(contenders.filter(({ leads }) => leads?.isCurrent()).length).toBeLessThan(2);
    };
    for (const name of [`one-${seed}`, `two-${seed}`]) {
      contenders.push(new Contender(name, leaders, onLeads));
    }
    const leader = () => contenders.find(({ leads }) => leads !== undefined);
    await vi.waitFor(() => expect(leader()).toBeDefined(), patience);
    for (let round = 0; round < 2; round += 1) {
      await little[chance.whole({ min: 0, max: little.length - 1 })]?.();
      await renewals(2);
      const old = leader();
      if (old === undefined) continue;
      const count = epochs.length;
      old.isCut = true;
      await vi.waitFor(() => expect(epochs.length).toBeGreaterThan(count), patience);
      expect(old.leads).toBe(undefined);
      old.isCut = false;
    }
    server.faults.mode = chance.happens(0.5) ? "silent" : "deaf";
    await vi.waitFor(() => expect(leader()).toBe(undefined), patience);
    const count = epochs.length;
    server.faults.mode = "well";
    await vi.waitFor(() => expect(epochs.length).toBeGreaterThan(count), patience);
    expect(epochs).toEqual([...new Set(epochs)].toSorted((a, b) => a - b));
    await Promise.all(contenders.map((contender) => contender.end()));
    expect(Object(state.object(path)?.spec).holderIdentity).toBe("");
  },
);
