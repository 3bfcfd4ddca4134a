import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { type EditRecord, isTerminal } from "../job/edit-record.js";
import type { CoordinatorEvent } from "../job/events.js";
import type { Decision } from "../job/turn.js";
import type { Reign } from "../loop/reign.js";

/** From a step of the smallest model to a tuning of an hour. */
const durationBuckets = [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 14_400];

/** What is known of an edit since its last change. */
interface Seen {
  readonly record: EditRecord;
  readonly phaseSinceMs: number;
}

/** Counts how edits go: ends, waiting, phases, recoveries. No label is without a bound. */
export function createJobMetrics(
  registry: Registry,
  reign: () => Reign | undefined,
  nowUnixMs: () => number,
): (event: CoordinatorEvent, decision: Decision) => void {
  const registers = [registry];
  const jobs = new Counter({
    ...{ name: "retake_jobs_total", help: "Edits that came to an end", registers },
    labelNames: ["state", "reason"],
  });
  const recoveries = new Counter({
    ...{ name: "retake_recoveries_total", help: "Losses that were got over", registers },
    labelNames: ["cause"],
  });
  const fenced = new Counter({
    ...{ name: "retake_fenced_writes_total", help: "Writes that another epoch shut out" },
    registers,
  });
  const buckets = durationBuckets;
  const wait = new Histogram({
    ...{ name: "retake_queue_wait_seconds", help: "From submit to start", registers, buckets },
  });
  const phase = new Histogram({
    ...{ name: "retake_phase_duration_seconds", help: "Of a phase of an edit", registers },
    ...{ buckets, labelNames: ["phase"] },
  });
  queueGauges(registers, { reign, nowUnixMs });
  const seen = new Map<string, Seen>();
  const onRecord = (record: EditRecord, cause: string): void => {
    const before = seen.get(record.id);
    const nowMs = nowUnixMs();
    const isNewPhase = before?.record.phase !== record.phase;
    if (before !== undefined) {
      const { record: last, phaseSinceMs } = before;
      const hasEnded = isTerminal(record) && !isTerminal(last);
      if (isNewPhase || hasEnded) {
        phase.observe({ phase: last.phase }, Math.max(0, nowMs - phaseSinceMs) / 1000);
      }
      if (last.startedMs === 0 && record.startedMs > 0) {
        wait.observe(Math.max(0, record.startedMs - record.submittedMs) / 1000);
      }
      if (record.recoveries > last.recoveries) recoveries.inc({ cause });
      if (hasEnded) jobs.inc({ state: record.state, reason: record.failure?.reason ?? "none" });
    }
    if (isTerminal(record)) seen.delete(record.id);
    else {
      const since = isNewPhase ? nowMs : before.phaseSinceMs;
      seen.set(record.id, { record, phaseSinceMs: since });
    }
  };
  return (event, { effects }) => {
    if (event.kind === "fenced") fenced.inc();
    // Another reign has its own records: what was seen of them is of yesterday.
    if (event.kind === "coordinator-took-over") seen.clear();
    for (const effect of effects) {
      if (effect.kind === "write-record") onRecord(effect.record, event.kind);
    }
  };
}

function queueGauges(
  registers: Registry[],
  {
    reign,
    nowUnixMs,
  }: { readonly reign: () => Reign | undefined; readonly nowUnixMs: () => number },
): void {
  const queued = (): readonly EditRecord[] =>
    [...(reign()?.state.edits.values() ?? [])]
      .map(({ record }) => record)
      .filter(({ state }) => state === "queued");
  new Gauge({
    ...{ name: "retake_queue_depth", help: "Edits that wait", registers },
    labelNames: ["priority"],
    collect() {
      this.reset();
      for (const { spec } of queued()) this.inc({ priority: spec.priority });
    },
  });
  new Gauge({
    ...{ name: "retake_queue_oldest_age_seconds", help: "Of the edit that waits longest" },
    registers,
    collect() {
      const since = Math.min(...queued().map(({ submittedMs }) => submittedMs));
      this.set(Number.isFinite(since) ? Math.max(0, nowUnixMs() - since) / 1000 : 0);
    },
  });
}
