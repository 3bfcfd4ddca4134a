import { Code, RetakeError } from "@retake/errors";
import { idCharsMax } from "./limits.js";

const storeId = /^[A-Za-z0-9_-]+$/;
const artifactId = /^[0-9a-f]{64}$/;

/** Refuses an id that cannot be a part of a subject, a key or a file name. */
export function assertStoreId(id: string): void {
  if (storeId.test(id) && id.length <= idCharsMax) return;
  const shown = JSON.stringify(id.slice(0, idCharsMax));
  const message =
    `id: expected 1 to ${idCharsMax} letters, digits, - or _, got ${shown}; ` +
    "use an id that the coordinator gave";
  throw new RetakeError(Code.InvalidArgument, "bad-id", message);
}

/** Refuses what is not the SHA-256 of bytes in lowercase hex. */
export function assertArtifactId(id: string): void {
  if (artifactId.test(id)) return;
  const shown = JSON.stringify(id.slice(0, 80));
  const message = `artifact id: expected 64 lowercase hex digits, got ${shown}; send the SHA-256`;
  throw new RetakeError(Code.InvalidArgument, "bad-id", message);
}
