import { fromUnknown, type RetakeError } from "@retake/errors";
import { retryAfterMs, runInformer } from "./informer.js";
import type { KubeObject } from "./objects.js";
import type { KubeNamespace } from "./open-namespace.js";

/** On the pod of the coordinator that leads, and on no other: the Service chooses by it. */
export const leadsLabel = "retake.dev/leads";
/** Where pods are to go, those of a lower cost go first: so a rollout changes the lead once. */
const deletionCost = "controller.kubernetes.io/pod-deletion-cost";
const retryAfterMsMax = 10_000;
/** Two that believe that they lead, for a moment, take it off each other no faster than this. */
const takeOffEveryMs = 1_000;

export interface LeaderLabelOptions extends KubeNamespace {
  /** The one that this process runs in. */
  readonly pod: string;
  readonly relistEveryMs: number;
  /** Of watching pods: it goes on by itself. */
  readonly onError: (error: RetakeError) => void;
}

export interface LabelFollowing {
  readonly signal: AbortSignal;
  /** A pod could not be told. It is tried again. */
  readonly onFailed: (error: RetakeError) => void;
}

/**
 * Keeps the label on this process's pod while it leads, and off it else; while it leads, off all
 * other pods, too: one that was killed could not take it off, and its pod starts anew with it.
 *
 * The label decides nothing. A call that reaches a coordinator that does not lead is refused, and a
 * write by an old leader has an old epoch.
 */
export class LeaderLabel {
  readonly #options: LeaderLabelOptions;
  #leads = false;
  /** Whether its own pod has the label; undefined: not known, as before the first write. */
  #own: boolean | undefined;
  /** Others that have it. */
  #others: ReadonlySet<string> = new Set();
  #nudged = new AbortController();

  constructor(options: LeaderLabelOptions) {
    this.#options = options;
  }

  /** Its pod says what is so. */
  get isTrue(): boolean {
    return this.#own === this.#leads;
  }

  setLeads(leads: boolean): void {
    this.#leads = leads;
    this.#nudged.abort();
  }

  /** Until the signal aborts. */
  async follow(options: LabelFollowing): Promise<void> {
    const { client, namespace, pod, relistEveryMs, onError } = this.#options;
    const { signal } = options;
    signal.addEventListener("abort", () => this.#nudged.abort(), { once: true });
    const following = runInformer<KubeObject>({
      ...{ client, relistEveryMs, onError, signal, labelSelector: leadsLabel },
      collection: `/api/v1/namespaces/${namespace}/pods`,
      onItems: (labelled) => {
        this.#own = labelled.has(pod);
        this.#others = new Set([...labelled.keys()].filter((name) => name !== pod));
        this.#nudged.abort();
      },
    });
    await Promise.all([following, this.#keep(options)]);
  }

  async #keep({ signal, onFailed }: LabelFollowing): Promise<void> {
    const { client, pod } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      this.#nudged = new AbortController();
      const { signal: nudged } = this.#nudged;
      const wrong = this.#firstWrong();
      if (wrong === undefined) {
        await new Promise((resolve) => nudged.addEventListener("abort", resolve, { once: true }));
        continue;
      }
      try {
        await this.#write(wrong);
        failures = 0;
        if (wrong.pod !== pod) await client.clock.wait(takeOffEveryMs, signal);
      } catch (thrown) {
        if (signal.aborted) return;
        onFailed(fromUnknown(thrown, "saying on a pod who leads"));
        await client.clock.wait(retryAfterMs(failures, { atMostMs: retryAfterMsMax }), nudged);
        failures += 1;
      }
    }
  }

  /** Its own comes first: callers find the leader before they no longer find the old one. */
  #firstWrong(): { readonly pod: string; readonly leads: boolean } | undefined {
    const leads = this.#leads;
    if (!this.isTrue) return { pod: this.#options.pod, leads };
    const [other] = this.#others;
    return leads && other !== undefined ? { pod: other, leads: false } : undefined;
  }

  /** By the part `status`, because the right to write a whole pod is one to change its image. */
  async #write({ pod, leads }: { readonly pod: string; readonly leads: boolean }): Promise<void> {
    const { client, namespace, pod: ownPod } = this.#options;
    const path = `/api/v1/namespaces/${namespace}/pods/${pod}/status`;
    const labels = { [leadsLabel]: leads ? "true" : null };
    const annotations = { [deletionCost]: leads ? "1" : null };
    const isOwn = pod === ownPod;
    // Until there is an answer, what is there is not known.
    if (isOwn) this.#own = undefined;
    try {
      await client.call({ method: "PATCH", path, body: { metadata: { labels, annotations } } });
    } catch (thrown) {
      const isGone = fromUnknown(thrown, "pod").reason === "kubernetes-missing";
      if (isOwn || !isGone) throw thrown;
    }
    if (isOwn) this.#own = leads;
    else this.#others = new Set([...this.#others].filter((name) => name !== pod));
  }
}
