import {
  begunDelivery,
  credited,
  type Delivery,
  deliver,
  type EditSpec,
  isTerminal,
} from "@retake/coordinator/job";
import type { Cluster, CoordinatorPort } from "./cluster.js";
import type { Process } from "./world.js";

/** Who submits an edit, may cancel it, and takes the frames of its first prompt as they come. */
export class Client implements Process {
  readonly name = "client";
  readonly life = 1;
  readonly isUp = true;
  readonly stoppedUntilMs = 0;
  isAccepted = false;
  /** It came too late for its deadline. */
  isRefused = false;
  readonly cancelAtMs: number;
  readonly editId: string;
  readonly spec: EditSpec;
  readonly cluster: Cluster;
  readonly received: string[] = [];
  readonly tenant: string;
  #delivery: Delivery;
  #from: CoordinatorPort | null = null;

  constructor(
    cluster: Cluster,
    {
      editId,
      tenant,
      spec,
      cancelAtMs,
    }: {
      editId: string;
      tenant: string;
      spec: EditSpec;
      /** 0: never. */
      cancelAtMs: number;
    },
  ) {
    this.cluster = cluster;
    this.editId = editId;
    this.tenant = tenant;
    this.spec = spec;
    this.cancelAtMs = cancelAtMs;
    this.#delivery = begunDelivery({ offset: 0, frameCount: spec.settings.frames });
  }

  /** Whether it changed its mind: a canceled edit is begun again, once. */
  get #mayRetry(): boolean {
    return this.cancelAtMs % 2 === 1;
  }

  get isDone(): boolean {
    const record = this.cluster.store.records.get(this.editId)?.record;
    if (record === undefined) return this.isRefused;
    if (!isTerminal(record)) return false;
    if (record.state === "canceled" && record.attempt === 1 && this.#mayRetry) return false;
    return record.state !== "succeeded" || this.received.length === this.spec.settings.frames;
  }

  start(): void {
    const { world } = this.cluster;
    world.inProcess(this, world.chance.whole({ min: 0, max: 2_500 }), () => this.#act());
  }

  #act(): void {
    const { world, coordinators } = this.cluster;
    // One coordinator may have refused what another accepts.
    if (this.isDone && !this.isRefused) return;
    world.inProcess(this, 400, () => this.#act());
    for (const coordinator of coordinators) {
      world.send(this, coordinator, () => {
        if (coordinator.state.role === "active") this.#ask(coordinator);
      });
    }
  }

  #ask(coordinator: CoordinatorPort): void {
    const { editId, tenant, spec, cluster } = this;
    const { world } = cluster;
    if (!this.isAccepted) {
      const event = { kind: "submitted", editId, tenant, requestId: editId, spec } as const;
      coordinator.submit(event, (isAccepted) => {
        world.send(coordinator, this, () => {
          this.isAccepted ||= isAccepted;
          this.isRefused ||= !isAccepted;
        });
      });
      return;
    }
    if (this.cancelAtMs > 0 && world.nowMs >= this.cancelAtMs) {
      this.#changeMind(coordinator);
    }
    this.#pull(coordinator);
  }

  #changeMind(coordinator: CoordinatorPort): void {
    const { editId, tenant } = this;
    const record = coordinator.state.edits.get(editId)?.record;
    if (record?.attempt !== 1) return;
    if (record.state !== "canceled" || !this.#mayRetry) {
      coordinator.handle({ kind: "cancel", editId, tenant });
    } else {
      this.cluster.world.count("retried edit");
      coordinator.handle({ kind: "retry", editId, tenant, requestId: `${editId} again` });
    }
  }

  /** A call that breaks is made again, from the first frame that did not come. */
  #pull(coordinator: CoordinatorPort): void {
    const { editId, spec, cluster } = this;
    if (this.#from !== coordinator) {
      this.#from = coordinator;
      const offset = this.received.length;
      this.#delivery = begunDelivery({ offset, frameCount: spec.settings.frames });
    }
    const ids = coordinator.state.edits.get(editId)?.record.artifacts.frames[0] ?? [];
    const { delivery, frames } = deliver(credited(this.#delivery, 2), ids);
    this.#delivery = delivery;
    for (const { frame, artifactId } of frames) {
      if (frame !== this.received.length) {
        cluster.world.violate(`frame ${frame} of ${editId} came after ${this.received.length - 1}`);
      }
      this.received.push(artifactId);
    }
  }
}
