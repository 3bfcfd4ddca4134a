import type { DecideOptions } from "./cluster-state.js";
import type { EditRecord, Failure, Retries } from "./edit-record.js";
import { bytesText } from "./pass-memory.js";

/**
 * Who must act on a failure. `infrastructure`: nobody, it is tried again; `room`: a disk is
 * full, it waits; `memory`: another node, or smaller pieces; `fault`: us, after few tries; `user`:
 * whoever sent the edit, at once.
 */
export type RetryClass = "infrastructure" | "room" | "memory" | "fault" | "user";

/** The class of a failure, by its code and reason. */
export function retryClassOf({ code, reason }: Pick<Failure, "code" | "reason">): RetryClass {
  if (reason === "disk-full") return "room";
  if (reason === "memory-short") return "memory";
  if (code === "INTERNAL" || code === "UNIMPLEMENTED") return "fault";
  const isPassing =
    ["UNAVAILABLE", "DEADLINE_EXCEEDED", "DATA_LOSS", "CANCELED", "ABORTED"].includes(code) ||
    ["stopped", "epoch-stale", "node-busy", "quorum-changed"].includes(reason);
  if (isPassing || code === "RESOURCE_EXHAUSTED") return "infrastructure";
  return "user";
}

/** What becomes of an edit after a failure: another try with some changes, or its end. */
export type Verdict =
  | {
      readonly outcome: "again";
      readonly change: Pick<EditRecord, "retries" | "memoryBytesMin" | "framesPerPass">;
      readonly reason: string;
    }
  | { readonly outcome: "over"; readonly failure: Failure };

/** What the verdict depends on besides the record. */
export interface FailureContext {
  readonly retryClass: RetryClass;
  /** Of the node that failed; 0 if not known. */
  readonly memoryBytes: number;
  /** What the pass was said to take; 0 if not known. */
  readonly neededBytes: number;
  /** Whether a node with more memory could take the work. */
  readonly hasLargerNode: boolean;
  /** Of smaller passes; null where the work cannot be cut any further. */
  readonly smallerFramesPerPass: number | null;
}

/**
 * Decides whether a failed task is tried again. Passing failures cost nothing but are counted and
 * bounded, so that an edit that kills every node ends. Smaller pieces give other bits than the
 * setting asked for, so they come only after every larger node has been tried.
 */
export function afterFailure(
  record: EditRecord,
  failure: Failure,
  { context, options }: { context: FailureContext; options: DecideOptions },
): Verdict {
  const { retries, memoryBytesMin, framesPerPass } = record;
  const { memoryBytes } = context;
  const keep = { retries, memoryBytesMin, framesPerPass };
  const counted = (name: keyof Retries): Retries => ({ ...retries, [name]: retries[name] + 1 });
  const over = (text: string): Verdict => ({
    outcome: "over",
    failure: { ...failure, message: `${failure.message}${text}` },
  });
  switch (context.retryClass) {
    case "room":
      return { outcome: "again", change: keep, reason: "a disk is full: waits for room" };
    case "infrastructure": {
      const max = options.infrastructureRetriesMax;
      if (retries.infrastructure >= max) return over(` (after ${max} tries)`);
      const change = { ...keep, retries: counted("infrastructure") };
      const reason = `try ${change.retries.infrastructure + 1} of at most ${max + 1}`;
      return { outcome: "again", change, reason };
    }
    case "fault": {
      const max = options.faultRetriesMax;
      if (retries.fault >= max) return over(` (after ${max} tries)`);
      return {
        outcome: "again",
        change: { ...keep, retries: counted("fault") },
        reason: "a fault",
      };
    }
    case "memory": {
      const change = { ...keep, retries: counted("memory") };
      if (context.hasLargerNode) {
        const reason = `needs a node with more than ${bytesText(memoryBytes)} of memory`;
        return { outcome: "again", change: { ...change, memoryBytesMin: memoryBytes + 1 }, reason };
      }
      const fewer = context.smallerFramesPerPass;
      if (fewer === null) return over(` (${memoryText(context)})`);
      const reason = `memory is short: ${fewer} frames a pass instead of ${framesPerPass}`;
      return { outcome: "again", change: { ...change, framesPerPass: fewer }, reason };
    }
    case "user":
      return over("");
  }
}

function memoryText({ memoryBytes, neededBytes }: FailureContext): string {
  const needs = neededBytes === 0 ? "" : `about ${bytesText(neededBytes)} were predicted, `;
  return `${needs}no node has more than ${bytesText(memoryBytes)}; take fewer or smaller frames`;
}
