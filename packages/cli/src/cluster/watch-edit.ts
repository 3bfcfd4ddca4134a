import { Code, fromUnknown, RetakeError } from "@retake/errors";
import { errorOfFailure, readStream } from "@retake/wire";
import { type Edit, EditState } from "@retake/wire/edit";
import type { ClusterClient } from "./cluster-client.js";
import { isEnded, stateText } from "./edit-json.js";

/**
 * Follows an edit to its end, through restarts of the coordinator.
 *
 * @param onEdit  told of every snapshot
 * @throws RetakeError  `stopped` when the watcher is: the edit goes on
 */
export async function watchEdit(
  { edits, call, patiently }: ClusterClient,
  id: string,
  { onEdit, signal }: { readonly onEdit: (edit: Edit) => void; readonly signal: AbortSignal },
): Promise<Edit> {
  try {
    for (;;) {
      const last = await patiently(async () => {
        let seen: Edit | undefined;
        const answers = readStream(edits.watch.bind(edits), { id }, call(`watching ${id}`));
        for await (const { edit } of answers) {
          if (edit === undefined) continue;
          seen = edit;
          onEdit(edit);
        }
        return seen;
      });
      if (last !== undefined && isEnded(last)) return last;
    }
  } catch (thrown) {
    const error = fromUnknown(thrown, `watching ${id}`);
    if (!signal.aborted) throw error;
    const message = `edit ${id}: goes on without its watcher; retake watch ${id} looks again`;
    throw new RetakeError(Code.Canceled, "stopped", message, { cause: error });
  }
}

/** @throws RetakeError  why an edit ended without success */
export function assertSucceeded(edit: Edit): void {
  if (edit.state === EditState.EDIT_STATE_SUCCEEDED) return;
  if (edit.failure !== undefined) throw errorOfFailure(edit.failure);
  const isStopped = edit.state === EditState.EDIT_STATE_CANCELED;
  const message = `edit ${edit.id}: ended ${stateText(edit)}: ${edit.reason}`;
  throw isStopped
    ? new RetakeError(Code.Canceled, "stopped", message)
    : new RetakeError(Code.FailedPrecondition, "edit-state", message);
}
