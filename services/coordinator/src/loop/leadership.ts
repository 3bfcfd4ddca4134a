import { setTimeout as delay } from "node:timers/promises";
import { fromUnknown } from "@retake/errors";
import type { Logger } from "pino";
import type { EditRecord } from "../job/edit-record.js";
import type { EpochLock } from "../store/epoch-lock.js";
import type { Stored } from "../store/record-store.js";
import { type Adopted, adopt, type EditStores } from "./adopt.js";
import { adoptsInFlightMax, storePauseMs } from "./limits.js";
import type { Reign } from "./reign.js";

export interface LeadershipOptions {
  readonly coordinatorId: string;
  readonly lock: EpochLock;
  readonly stores: EditStores;
  readonly logger: Logger;
  readonly begin: (epoch: number, taken: readonly Adopted[]) => Reign;
  readonly signal: AbortSignal;
  /** Told when a reign begins, and with undefined when it is over. */
  readonly onReign: (reign: Reign | undefined) => void;
}

/** Leads whenever nobody else does, until the signal aborts. */
export async function leadAgainAndAgain(options: LeadershipOptions): Promise<void> {
  const { coordinatorId, lock, logger, signal } = options;
  while (!signal.aborted) {
    const lost = new AbortController();
    const onLost = (reason: string): void => lost.abort(reason);
    const leadership = await lock
      .acquire(coordinatorId, { onLost, signal })
      .catch((thrown: unknown) => {
        if (signal.aborted) return undefined;
        throw thrown;
      });
    if (leadership === undefined) return;
    const { epoch, reason } = leadership;
    logger.info({ epoch, reason }, "leads");
    try {
      await leadOnce(options, { epoch, lost: lost.signal });
    } catch (thrown) {
      const error = fromUnknown(thrown, "taking over");
      logger.error({ code: error.code, reason: error.reason, epoch }, error.message);
      await delay(storePauseMs, undefined, { signal }).catch(() => undefined);
    }
    await leadership.release().catch((thrown: unknown) => {
      logger.warn({ epoch }, fromUnknown(thrown, "giving the lease back").message);
    });
  }
}

async function leadOnce(
  { stores, logger, begin, signal, onReign }: LeadershipOptions,
  { epoch, lost }: { readonly epoch: number; readonly lost: AbortSignal },
): Promise<void> {
  const taken = await takeAll(stores, { epoch, logger });
  if (taken === undefined || lost.aborted || signal.aborted) return;
  const reign = begin(epoch, taken);
  onReign(reign);
  const onLost = (): void => reign.end(`its lease is lost: ${String(lost.reason)}`);
  const onStop = (): void => reign.end("it ends");
  lost.addEventListener("abort", onLost, { once: true });
  signal.addEventListener("abort", onStop, { once: true });
  if (lost.aborted) onLost();
  if (signal.aborted) onStop();
  if (!reign.signal.aborted) {
    await new Promise((resolve) => reign.signal.addEventListener("abort", resolve, { once: true }));
  }
  signal.removeEventListener("abort", onStop);
  logger.info({ epoch }, fromUnknown(reign.signal.reason, "reign").message);
  onReign(undefined);
}

/** Adopts every edit of the store; undefined where a later coordinator has taken over. */
async function takeAll(
  stores: EditStores,
  { epoch, logger }: { readonly epoch: number; readonly logger: Logger },
): Promise<readonly Adopted[] | undefined> {
  const taken: Adopted[] = [];
  let after: string | undefined;
  do {
    const page = await stores.records.list(after === undefined ? {} : { after });
    for (const { id, reason } of page.unreadable) logger.error({ edit: id, reason }, "unreadable");
    const waiting: Stored<EditRecord>[] = [...page.records];
    while (waiting.length > 0) {
      const batch = waiting.splice(0, adoptsInFlightMax);
      const adopted = await Promise.all(batch.map((stored) => adopt(stores, stored, epoch)));
      for (const one of adopted) {
        if (one === undefined) return undefined;
        if (one !== "gone") taken.push(one);
      }
    }
    after = page.next;
  } while (after !== undefined);
  return taken;
}
