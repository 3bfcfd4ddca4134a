import { createCipheriv, createHmac, randomFillSync, timingSafeEqual } from "node:crypto";
import { Code, RetakeError } from "@retake/errors";
import { badMessage } from "../decoders/bad-message.js";

const jobKeyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

/** Bytes of the seal that every message of a tuning begins with. */
export const sealBytes = nonceBytes + tagBytes;

/** What is sealed: one kind is never taken for the other. */
type SealedKind = "request" | "frame";

/** @throws RetakeError  `bad-message` unless it has 32 bytes */
export function decodeJobKey(key: Uint8Array): Uint8Array {
  if (key.length === jobKeyBytes) return key;
  throw badMessage("job key", { expected: `${jobKeyBytes} bytes`, got: key.length });
}

/** Seals a message, whose first `sealBytes` are free: only who has the key can. */
export function seal(kind: SealedKind, message: Uint8Array, key: Uint8Array): void {
  const nonce = randomFillSync(message.subarray(0, nonceBytes));
  message.set(tagOf(kind, message, { key, nonce }), nonceBytes);
}

/**
 * What follows the seal of a message.
 *
 * @throws RetakeError  `not-allowed` if it was not sealed like this under this key
 */
export function unsealed(kind: SealedKind, message: Uint8Array, key: Uint8Array): Uint8Array {
  const nonce = message.subarray(0, nonceBytes);
  const isLongEnough = message.length >= sealBytes;
  if (isLongEnough) {
    const tag = message.subarray(nonceBytes, sealBytes);
    if (timingSafeEqual(tagOf(kind, message, { key, nonce }), tag))
      return message.subarray(sealBytes);
  }
  const got = isLongEnough ? "another" : "none";
  const text = `${kind}: expected a seal under the key of this edit, got ${got}; it is not taken`;
  throw new RetakeError(Code.PermissionDenied, "not-allowed", text);
}

/**
 * GMAC: one pass over the bytes that costs less than the CRC which it replaces, and a quarter of
 * HMAC-SHA-256.
 */
function tagOf(
  kind: SealedKind,
  message: Uint8Array,
  { key, nonce }: { readonly key: Uint8Array; readonly nonce: Uint8Array },
): Uint8Array {
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.from(kind));
  cipher.setAAD(message.subarray(sealBytes));
  cipher.final();
  return cipher.getAuthTag();
}

/** What a peer may be asked for, and its name. */
export type JobTokenOf = readonly ["snapshot" | "branch" | "frames" | "activations", string];

/** Shows a peer that its caller has the key of an edit, for one thing, without showing the key. */
export function jobToken(key: Uint8Array, of: JobTokenOf): Buffer {
  return createHmac("sha256", key).update(of.join(" ")).digest();
}

/** @throws RetakeError  `not-allowed` for another token than `jobToken` makes of the key */
export function assertJobToken(given: Uint8Array, key: Uint8Array, of: JobTokenOf): void {
  const right = jobToken(key, of);
  if (given.length === right.length && timingSafeEqual(given, right)) return;
  const got = given.length === 0 ? "none" : "another";
  const message = `${of.join(" ")}: expected the job token of its edit, got ${got}`;
  throw new RetakeError(Code.PermissionDenied, "not-allowed", message);
}
