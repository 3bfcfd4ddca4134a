import {
  createKubeClient,
  createKubeLeaseRecords,
  createKubeLock,
  type EpochLock,
  type KubeObject,
  type LeaderRecords,
  type Leadership,
  runInformer,
} from "@retake/coordinator/kubernetes";
import { fromUnknown } from "@retake/errors";
import { createWay, type Journey } from "../journeys.js";
import { createLocalTransport } from "../local-transport.js";
import { Machine } from "../virtual-time.js";
import type { Contender } from "./ledger.js";
import { leaseDurationMs, type Step, slices, type World } from "./world.js";

export const relistEveryMsDefault = 30_000;
const writeEveryMs = 700;
const retryEveryMs = 200;
const edit = "edit";

interface Speed {
  readonly rate: number;
  readonly wallAheadMs: number;
}

/**
 * A process of a coordinator: the real lock, client and informer, and a leader that does nothing
 * but fence the log of one edit and append to it.
 */
export class LeaseProcess implements Contender {
  readonly id: string;
  readonly machine: Machine;
  leads = false;
  apiMode: Journey["mode"] = "well";
  storeMode: Journey["mode"] = "well";
  /** The last change of the collection that its informer told. */
  seenCount = 0;
  readonly #world: World;
  readonly #ending = new AbortController();
  readonly #lock: EpochLock;
  readonly #done: Promise<unknown>;

  constructor(world: World, id: string, speed: Speed) {
    this.#world = world;
    this.id = id;
    this.machine = new Machine(world.time, speed);
    const client = this.#createClient();
    this.#lock = this.#createLock(client);
    world.ledger.enter(this);
    const { plant } = world;
    const following = runInformer<KubeObject>({
      ...{ client, collection: slices, signal: this.#ending.signal },
      relistEveryMs: plant?.relistEveryMs ?? relistEveryMsDefault,
      onItems: (items) => {
        const [slice] = items.values();
        this.seenCount = Number(slice?.metadata.annotations?.change ?? 0);
      },
      onMissed: () => world.ledger.count("missed by a watch"),
    });
    this.#done = Promise.all([this.#leadAgainAndAgain(), following]);
  }

  isAble(): boolean {
    return !this.machine.isPaused && this.reachesApi() && this.#reachesStore();
  }

  /** Its calls are answered, with no word of a limit or a token. */
  reachesApi(): boolean {
    const { apiMode, state, token } = this.#world;
    const { faults } = state;
    const isLetIn = faults.throttledRequests === 0 && faults.tokens?.has(token) === true;
    return isLetIn && apiMode === "well" && this.apiMode === "well";
  }

  /** Ends as SIGTERM does: the lease is given back. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#done;
    this.#world.ledger.leave(this);
  }

  /** Ends as SIGKILL does. What it has sent may still arrive. */
  kill(): void {
    this.machine.pause();
    this.#world.ledger.leave(this);
  }

  #reachesStore(): boolean {
    return this.#world.storeMode === "well" && this.storeMode === "well";
  }

  #createClient() {
    const world = this.#world;
    const transport = createLocalTransport({
      ...{ state: world.state, time: world.time, machine: this.machine },
      readToken: () => world.token,
      journey: () => this.#journey([world.apiMode, this.apiMode]),
    });
    return createKubeClient({ transport, clock: this.machine.clock });
  }

  #createLock(client: ReturnType<typeof createKubeClient>): EpochLock {
    const { machine } = this;
    const { plant, stores } = this.#world;
    const kept = createKubeLeaseRecords({
      ...{ client, namespace: "retake", name: "coordinator", deadlineMs: leaseDurationMs / 3 },
      nowUnixMs: () => machine.nowUnixMs(),
    });
    const lease = plant?.lease?.(kept, { world: this.#world, machine }) ?? kept;
    const way = this.#way();
    const leaders: LeaderRecords = {
      get: (id) => way(() => stores.leaders.get(id)),
      create: (id, value) => way(() => stores.leaders.create(id, value)),
      update: (id, value, options) => way(() => stores.leaders.update(id, value, options)),
    };
    return createKubeLock({ lease, leaders, leaseDurationMs, clock: machine.clock });
  }

  #way({ lateness = 0 } = {}) {
    const { time, chance } = this.#world;
    const late = (): number =>
      chance.happens(lateness) ? chance.whole({ min: 1000, max: 40_000 }) : 0;
    const journey = (): Journey => {
      const made = this.#journey([this.#world.storeMode, this.storeMode]);
      return { ...made, thereMs: made.thereMs + late() };
    };
    return createWay({ time, machine: this.machine, journey });
  }

  #journey(modes: readonly Journey["mode"][]): Journey {
    const { chance, ledger } = this.#world;
    const ms = (): number => {
      const isSlow = chance.happens(0.01);
      return chance.whole(isSlow ? { min: 300, max: 2500 } : { min: 1, max: 40 });
    };
    const mode = modes.find((one) => one !== "well") ?? "well";
    const isLost = mode === "well" && chance.happens(0.002);
    if (isLost) ledger.count("answer lost");
    return { mode: isLost ? "deaf" : mode, thereMs: ms(), backMs: ms() };
  }

  async #leadAgainAndAgain(): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      const lost = new AbortController();
      const onLost = (reason: string): void => {
        this.#world.ledger.note(`${this.id} lost it: ${reason}`);
        lost.abort();
      };
      const leadership = await this.#lock
        .acquire(this.id, { onLost, signal })
        .catch((thrown: unknown) => {
          const { reason, message } = fromUnknown(thrown, this.id);
          if (reason !== "stopped") this.#world.ledger.violate(`${this.id} gave up: ${message}`);
        });
      if (leadership === undefined) return;
      await this.#reign(leadership, AbortSignal.any([lost.signal, signal]));
      await leadership.release().catch(() => undefined);
    }
  }

  async #reign({ epoch }: Leadership, over: AbortSignal): Promise<void> {
    const { ledger, stores } = this.#world;
    if (over.aborted) return;
    ledger.setLeads(this, true);
    const end = (): void => ledger.setLeads(this, false);
    over.addEventListener("abort", end, { once: true });
    const { commits } = stores;
    const way = this.#way({ lateness: 0.01 });
    const fenced = await this.#untilOver(over, () => way(() => commits.fence(edit, { epoch })));
    let head = fenced?.outcome === "fenced" ? fenced.head : undefined;
    while (head !== undefined && !over.aborted) {
      const { revision, last } = head;
      const step: Step = { editId: edit, epoch, step: (last?.step ?? 0) + 1 };
      await this.#untilOver(over, () => way(() => this.#append(step, revision)));
      // It may be written though no answer came: the log says.
      head = await this.#untilOver(over, () => way(() => commits.head(edit)));
      if (head !== undefined && head.epoch !== epoch && this.#world.plant?.isUnfenced !== true) {
        head = undefined;
      }
      await this.machine.clock.wait(writeEveryMs, over);
    }
    over.removeEventListener("abort", end);
    end();
  }

  async #append(step: Step, after: number): Promise<void> {
    const { stores, ledger, plant } = this.#world;
    const { commits } = stores;
    let write = await commits.append(step, { after });
    if (plant?.isUnfenced === true && write.outcome === "conflict") {
      const { revision, last, epoch } = await commits.head(edit);
      const next = { ...step, epoch, step: (last?.step ?? 0) + 1 };
      write = await commits.append(next, { after: revision });
    }
    if (write.outcome === "written") ledger.accepted(step.epoch);
    else ledger.count("write refused");
  }

  /** Asks until the store answers; undefined when it is over. */
  async #untilOver<Result>(
    over: AbortSignal,
    ask: () => Promise<Result>,
  ): Promise<Result | undefined> {
    while (!over.aborted) {
      try {
        return await ask();
      } catch (thrown) {
        if (fromUnknown(thrown, "the store").reason !== "store-unavailable") throw thrown;
        await this.machine.clock.wait(retryEveryMs, over);
      }
    }
    return undefined;
  }
}
