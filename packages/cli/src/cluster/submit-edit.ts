import { clipSizeOf } from "@retake/coordinator/settings";
import { callUnary } from "@retake/wire";
import { type Edit, Layout, Settings } from "@retake/wire/edit";
import type { ClusterClient } from "./cluster-client.js";
import { noAnswer } from "./edit-json.js";
import type { EditToSubmit, LayoutName } from "./edit-to-submit.js";

const layouts: Readonly<Record<LayoutName, Layout>> = {
  auto: Layout.LAYOUT_UNSPECIFIED,
  one: Layout.LAYOUT_ONE,
  prompts: Layout.LAYOUT_PROMPTS,
  branches: Layout.LAYOUT_BRANCHES,
  frames: Layout.LAYOUT_FRAMES,
  draws: Layout.LAYOUT_DRAWS,
};

/**
 * Sends an edit to the coordinator, which stores it before it answers.
 *
 * @param request  the same request id again gives the same edit
 * @throws RetakeError  `queue-full`, `request-reused`, `bad-option`, `memory-short`
 */
export async function submitEdit(
  { edits, call, patiently, nowMs }: ClusterClient,
  edit: EditToSubmit,
  request: { readonly requestId: string; readonly videoId: string },
): Promise<Edit> {
  const { requestId, videoId } = request;
  const by = (withinMs: number): number => (withinMs === 0 ? 0 : Math.round(nowMs() + withinMs));
  // Engine and threads are the nodes' own.
  const { size, engine: _, threads: __, ...given } = edit.settings;
  const settings = { ...given, ...(size === undefined ? {} : clipSizeOf(size)) };
  const spec = {
    ...{ sourcePrompt: edit.source, prompts: [...edit.prompts], negativePrompt: edit.negative },
    ...{ videoId, model: edit.model, priority: edit.priority, layout: layouts[edit.layout] },
    ...{ startByUnixMs: by(edit.startWithinMs), finishByUnixMs: by(edit.finishWithinMs) },
    snapshotEverySteps: edit.snapshotEverySteps,
    settings: Settings.fromPartial(settings),
  };
  const settingsOfCall = { ...call("submitting"), timeoutMs: 60_000 };
  const answer = await patiently(() =>
    callUnary(edits.submit.bind(edits), { requestId, spec }, settingsOfCall),
  );
  if (answer.edit === undefined) throw noAnswer();
  return answer.edit;
}
