import { type EditRecord, isComplete, isTerminal, type LayoutReport } from "./edit-record.js";
import { hasAllMoments } from "./phases.js";

/** Ends the reports of what is done. */
export function closedLayouts(record: EditRecord, nowMs: number): readonly LayoutReport[] {
  if (!record.layouts.some((report) => isOpen(report) && isDone(record, report))) {
    return record.layouts;
  }
  return record.layouts.map((report) =>
    isOpen(report) && isDone(record, report) ? closed(report, nowMs) : report,
  );
}

export const isOpen = ({ measuredMs }: LayoutReport): boolean => measuredMs === 0;

/** A clock that jumped back tells nothing; what has ended took more than nothing. */
export const closed = (report: LayoutReport, nowMs: number): LayoutReport => ({
  ...report,
  measuredMs: Math.max(1, nowMs - report.startedMs),
});

function isDone(record: EditRecord, { phase, promptIndex }: LayoutReport): boolean {
  const { artifacts } = record;
  if (isTerminal(record)) return true;
  switch (phase) {
    case "encode":
      return hasAllMoments(record);
    case "tune":
      return artifacts.delta !== "";
    case "invert":
      return isComplete(artifacts.inverted);
    case "sample":
      return artifacts.sampled.every(
        (latents, index) => (promptIndex >= 0 && index !== promptIndex) || isComplete(latents),
      );
    default:
      return (artifacts.frames[promptIndex] ?? []).every((id) => id !== "");
  }
}
