import { fromUnknown } from "@retake/errors";
import { runInformer } from "../kubernetes/informer.js";
import type { Reign } from "../loop/reign.js";
import { cordonedPods, type Machine, type Pod } from "./pod-conditions.js";
import { PodReporter, type PodReporterOptions } from "./pod-reporter.js";

export interface FollowPodsOptions extends PodReporterOptions {
  readonly reign: Pick<Reign, "state" | "tell" | "changed" | "signal">;
  /** Default 60 s. */
  readonly relistEveryMs?: number | undefined;
}

const relistEveryMsDefault = 60_000;

/**
 * As long as a reign lasts: tells pods what becomes of the nodes in them, and has nodes hand over
 * whose machine is cordoned. The coordinator does it for the nodes, which have no account.
 */
export async function followPods(options: FollowPodsOptions): Promise<void> {
  const { reign, client, namespace, logger } = options;
  const { relistEveryMs = relistEveryMsDefault } = options;
  const { signal } = reign;
  const reporter = new PodReporter(options);
  let pods: ReadonlyMap<string, Pod> | undefined;
  let machines: ReadonlyMap<string, Machine> | undefined;
  let told = "[]";
  const tellCordons = (): void => {
    if (pods === undefined || machines === undefined || signal.aborted) return;
    const leavers = cordonedPods(pods, machines);
    const text = JSON.stringify(leavers);
    if (text === told) return;
    told = text;
    reign.tell({ kind: "machines-cordoned", leavers });
  };
  const follow = { client, relistEveryMs, signal };
  const onError = (thrown: unknown): void => {
    const { code, reason, message } = fromUnknown(thrown, "watching pods");
    logger.warn({ code, reason }, message);
  };
  await Promise.all([
    runInformer<Pod>({
      ...{ ...follow, onError, collection: `/api/v1/namespaces/${namespace}/pods` },
      onItems: (items, source) => {
        pods = items;
        if (source === "list") reporter.retry();
        tellCordons();
      },
    }),
    runInformer<Machine>({
      ...{ ...follow, onError, collection: "/api/v1/nodes" },
      onItems: (items) => {
        machines = items;
        tellCordons();
      },
    }),
    seeNodes(reign, reporter),
  ]);
}

async function seeNodes(reign: FollowPodsOptions["reign"], reporter: PodReporter): Promise<void> {
  while (!reign.signal.aborted) {
    const change = reign.changed("nodes", reign.signal);
    change.catch(() => undefined);
    reporter.see(reign.state.nodes);
    await change.catch((thrown: unknown) => {
      if (!reign.signal.aborted) throw thrown;
    });
  }
}
