import type { LayoutReport } from "./edit-record.js";
import { closed, isOpen } from "./layout-reports.js";
import type { Plan } from "./planning.js";
import { editOf, putRecord, type Turn } from "./turn.js";

/** Older ones go: an edit that is lost again and again must not outgrow its record. */
const reportsMax = 256;

type Place = Pick<LayoutReport, "phase" | "promptIndex">;

/**
 * Keeps in the record how a piece of work is laid out, why, and what was predicted. A task that
 * begins for a piece that is under way, on a node that was not planned for, joins its report.
 */
export function noteLayout(
  turn: Turn,
  editId: string,
  { plan, ...place }: Place & { plan: Plan },
): void {
  const { layouts } = editOf(turn, editId).record;
  const open = layouts.findLast((report) => isOpen(report) && isAt(report, place));
  if (open === undefined) {
    pushReport(turn, editId, begun(turn, place, plan));
    return;
  }
  const added = plan.nodeIds.filter((nodeId) => !open.nodeIds.includes(nodeId));
  if (added.length === 0) return;
  const layout = open.layout === "one" ? plan.layout : open.layout;
  const joined = { ...open, layout, nodeIds: [...open.nodeIds, ...added] };
  const reports = layouts.map((report) => (report === open ? joined : report));
  putRecord(turn, editId, { layouts: reports });
}

/** Another layout takes the place of the one under way: that one ends with what it took. */
export function changeLayout(
  turn: Turn,
  editId: string,
  { plan, ...place }: Place & { plan: Plan },
): void {
  const { layouts } = editOf(turn, editId).record;
  const kept = layouts.flatMap((report): LayoutReport[] => {
    if (!isOpen(report) || !isAt(report, place)) return [report];
    return report.startedMs === turn.nowMs ? [] : [closed(report, turn.nowMs)];
  });
  putRecord(turn, editId, { layouts: kept });
  pushReport(turn, editId, begun(turn, place, plan));
}

/** What was weighed and declined in the turn in which a layout began is part of its reason. */
export function noteDeclined(
  turn: Turn,
  editId: string,
  { plan, ...place }: Place & { plan: Plan },
): void {
  const { layouts } = editOf(turn, editId).record;
  const begunNow = layouts.findLast(
    (report) => isOpen(report) && isAt(report, place) && report.startedMs === turn.nowMs,
  );
  if (begunNow === undefined || begunNow.reason === plan.reason) return;
  const told = { ...begunNow, reason: plan.reason };
  putRecord(turn, editId, {
    layouts: layouts.map((report) => (report === begunNow ? told : report)),
  });
}

const isAt = (report: LayoutReport, { phase, promptIndex }: Place): boolean =>
  report.phase === phase && report.promptIndex === promptIndex;

function begun(turn: Turn, place: Place, plan: Plan): LayoutReport {
  const { layout, nodeIds, predictedMs, reason } = plan;
  const times = { predictedMs, measuredMs: 0, startedMs: turn.nowMs };
  return { ...place, layout, nodeIds, reason, ...times };
}

function pushReport(turn: Turn, editId: string, report: LayoutReport): void {
  const { layouts } = editOf(turn, editId).record;
  putRecord(turn, editId, { layouts: [...layouts, report].slice(-reportsMax) });
}
