import type { EditRecord, LayoutReport, Phase } from "../job/edit-record.js";
import type { ClusterRun, PhaseTime } from "../result/manifest.js";

/** By the names that they have in a manifest of `retake edit`, where `decode` is the video's. */
const namesInManifest: Partial<Readonly<Record<Phase, string>>> = {
  ...{ encode: "encode", tune: "tune", invert: "invert", sample: "sample", decode: "frames" },
};

/**
 * How long each phase took, from the first of its pieces to the end of the last. Pieces of an
 * earlier attempt count: they were not done again.
 */
export function phaseTimes({
  layouts,
  startedMs,
}: Pick<EditRecord, "layouts" | "startedMs">): Readonly<Record<string, PhaseTime>> {
  const times: Record<string, PhaseTime> = {};
  for (const [phase, name] of Object.entries(namesInManifest)) {
    const reports = layouts.filter((report) => report.phase === phase);
    if (reports.length === 0) continue;
    const begunMs = Math.min(...reports.map((report) => report.startedMs));
    const endMs = Math.max(...reports.map(endOf));
    times[name] = { seconds: (endMs - begunMs) / 1000, reused: endMs <= startedMs };
  }
  return times;
}

const endOf = ({ startedMs, measuredMs }: LayoutReport): number => startedMs + measuredMs;

/** On which nodes an edit ran, how each piece of it was laid out, and why so. */
export function clusterRun({ id, attempt, recoveries, layouts }: EditRecord): ClusterRun {
  return {
    ...{ edit: id, attempt, recoveries },
    nodes: [...new Set(layouts.flatMap(({ nodeIds }) => nodeIds))].sort(),
    layouts: layouts.map((report) => ({
      phase: report.phase,
      ...(report.promptIndex < 0 ? {} : { prompt: report.promptIndex }),
      ...{ layout: report.layout, nodes: report.nodeIds, reason: report.reason },
      ...{ predictedMs: report.predictedMs, measuredMs: report.measuredMs },
    })),
  };
}
