import { stat } from "node:fs/promises";
import { Code, RetakeError } from "@retake/errors";
import { type Checkpoint, openCheckpointFolder } from "./diffusers/open-checkpoint.js";
import { fetchFromHub, type HubOptions, isHubId } from "./hub/fetch-from-hub.js";

/**
 * Opens a pretrained base model: a folder in the layout of the diffusers library, or `owner/name`
 * on the Hugging Face hub, which is downloaded into the cache first. A folder of that name wins.
 *
 * @param source  path, hub id, or hub id and revision: `owner/name@revision`
 * @throws RetakeError  `file-not-found`, `checkpoint-incomplete`, `file-malformed`,
 *                      `file-truncated`, `tensor-dtype`, `pickle-forbidden`; and what
 *                      `fetchFromHub` throws
 */
export async function openCheckpoint(source: string, options: HubOptions): Promise<Checkpoint> {
  const isHere = await stat(source).then(
    () => true,
    () => false,
  );
  if (isHere) return openCheckpointFolder(source, options);
  const [id = "", revision, ...more] = source.split("@");
  if (!isHubId(id) || more.length > 0) {
    const message = `${source}: expected a checkpoint folder or a hub id owner/name, got neither`;
    throw new RetakeError(Code.NotFound, "file-not-found", `${message}; check the path`);
  }
  const folder = await fetchFromHub(
    id,
    revision === undefined ? options : { ...options, revision },
  );
  return openCheckpointFolder(folder, { ...options, name: id });
}
