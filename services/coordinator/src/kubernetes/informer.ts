import { fromUnknown, type RetakeError } from "@retake/errors";
import type { KubeClient } from "./client.js";
import type { KubeList, KubeObject } from "./objects.js";

export interface InformerOptions<Item extends KubeObject> {
  readonly client: KubeClient;
  /** `/apis/discovery.k8s.io/v1/namespaces/retake/endpointslices` */
  readonly collection: string;
  /** `kubernetes.io/service-name=gpu-node`; default: all. */
  readonly labelSelector?: string | undefined;
  /** A watch that says nothing is believed no longer than this. */
  readonly relistEveryMs: number;
  /** All that is there, by name: after each list, and after each event of the watch between. */
  readonly onItems: (items: ReadonlyMap<string, Item>, source: "list" | "watch") => void;
  /** Asked after each event: whether what it told is to be confirmed by a list, now. */
  readonly wantsList?: (() => boolean) | undefined;
  /** A list showed changes that the watch had not told: it stalled, or they crossed. */
  readonly onMissed?: ((names: readonly string[]) => void) | undefined;
  /** It goes on by itself. */
  readonly onError?: ((error: RetakeError) => void) | undefined;
  readonly signal: AbortSignal;
}

const retryAfterMsMin = 500;
/** So that, with a call that had no answer, it is not longer than a period until the next list. */
const failuresPerRelist = 3;

/** Twice as long after each failure. */
export const retryAfterMs = (
  failures: number,
  { atMostMs }: { readonly atMostMs: number },
): number => Math.min(retryAfterMsMin * 2 ** failures, Math.max(0, atMostMs));

/**
 * Follows a collection until the signal aborts: a list, then a watch from there on, which is only a
 * hint. Watches are known to fall silent with their connection open, so all is listed anew on a
 * timer, and what a stalled watch has hidden is known after one period at the latest.
 */
export async function runInformer<Item extends KubeObject>(
  options: InformerOptions<Item>,
): Promise<void> {
  const { client, relistEveryMs, onItems, onMissed, onError, signal } = options;
  let known: Map<string, Item> | undefined;
  let failures = 0;
  while (!signal.aborted) {
    try {
      const listedMs = client.clock.nowMs();
      const { items, metadata } = await list<Item>(options);
      if (signal.aborted) return;
      const listed = new Map(items.map((item) => [item.metadata.name, item]));
      const missed = known === undefined ? [] : namesChanged(known, listed);
      known = listed;
      failures = 0;
      if (missed.length > 0) onMissed?.(missed);
      onItems(listed, "list");
      await follow(options, listed, { ...metadata, untilMs: listedMs + relistEveryMs });
    } catch (thrown) {
      if (signal.aborted) return;
      const error = fromUnknown(thrown, "watching Kubernetes");
      if (error.reason === "kubernetes-expired") continue;
      onError?.(error);
      const atMostMs = relistEveryMs / failuresPerRelist;
      await client.clock.wait(retryAfterMs(failures, { atMostMs }), signal);
      failures += 1;
    }
  }
}

function list<Item extends KubeObject>(options: InformerOptions<Item>): Promise<KubeList<Item>> {
  const { client, collection } = options;
  const path = `${collection}${queryOf(options, {})}`;
  return client.call<KubeList<Item>>({ method: "GET", path });
}

/** Keeps what was listed current until it is time for the next list. */
async function follow<Item extends KubeObject>(
  options: InformerOptions<Item>,
  items: Map<string, Item>,
  from: { readonly resourceVersion: string; readonly untilMs: number },
): Promise<void> {
  const { client, collection, onItems, wantsList, onError, signal } = options;
  const over = new AbortController();
  const ends = AbortSignal.any([signal, over.signal]);
  const done = new AbortController();
  const leftMs = (): number => from.untilMs - client.clock.nowMs();
  const timer = client.clock.wait(leftMs(), AbortSignal.any([signal, done.signal]));
  void timer.then(() => over.abort());
  let { resourceVersion } = from;
  let failures = 0;
  try {
    while (!ends.aborted) {
      const query = { watch: "true", allowWatchBookmarks: "true", resourceVersion };
      const path = `${collection}${queryOf(options, query)}`;
      try {
        for await (const event of client.watch<Item>(path, ends)) {
          if (ends.aborted) return;
          failures = 0;
          resourceVersion = event.object.metadata.resourceVersion ?? resourceVersion;
          if (event.type === "BOOKMARK") continue;
          const { name } = event.object.metadata;
          if (event.type === "DELETED") items.delete(name);
          else items.set(name, event.object);
          onItems(items, "watch");
          if (wantsList?.() === true) return;
        }
      } catch (thrown) {
        const error = fromUnknown(thrown, "watching Kubernetes");
        if (ends.aborted) return;
        if (error.reason === "kubernetes-expired") throw error;
        onError?.(error);
      }
      // A server that ends every watch at once must not be asked without a pause.
      await client.clock.wait(retryAfterMs(failures, { atMostMs: leftMs() }), ends);
      failures += 1;
    }
  } finally {
    done.abort();
    over.abort();
  }
}

function queryOf(
  { labelSelector }: { readonly labelSelector?: string | undefined },
  rest: Readonly<Record<string, string>>,
): string {
  const all = { ...(labelSelector === undefined ? {} : { labelSelector }), ...rest };
  const text = new URLSearchParams(all).toString();
  return text === "" ? "" : `?${text}`;
}

function namesChanged(
  before: ReadonlyMap<string, KubeObject>,
  after: ReadonlyMap<string, KubeObject>,
): string[] {
  const versionOf = (item: KubeObject | undefined) => item?.metadata.resourceVersion;
  return [...new Set([...before.keys(), ...after.keys()])].filter(
    (name) => versionOf(before.get(name)) !== versionOf(after.get(name)),
  );
}
