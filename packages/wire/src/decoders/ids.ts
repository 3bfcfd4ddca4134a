import { badMessage } from "./bad-message.js";

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** The name of a node, unique in its cluster. */
export type NodeId = Branded<"node">;
export type EditId = Branded<"edit">;
/** Lowercase hexadecimal SHA-256 of the artifact's bytes. */
export type ArtifactId = Branded<"artifact">;

/** A DNS label: it goes into subjects, file names and labels as it is. */
const labelPattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const digestPattern = /^[0-9a-f]{64}$/;
/** Printable, without blanks: it goes into logs, and into nothing else. */
const tokenPattern = /^[!-~]{1,128}$/;

const label = "1 to 63 of a-z, 0-9 and - (not at an end)";

/** @throws RetakeError  `bad-message` */
export function decodeNodeId(text: string): NodeId {
  if (labelPattern.test(text)) return text as NodeId;
  throw badMessage("node id", { expected: label, got: text });
}

/** @throws RetakeError  `bad-message` */
export function decodeEditId(text: string): EditId {
  if (labelPattern.test(text)) return text as EditId;
  throw badMessage("edit id", { expected: label, got: text });
}

/**
 * @param about.subject  which artifact, for the message
 * @throws RetakeError  `bad-message`
 */
export function decodeArtifactId(
  text: string,
  { subject }: { readonly subject: string },
): ArtifactId {
  if (digestPattern.test(text)) return text as ArtifactId;
  throw badMessage(subject, { expected: "a SHA-256 in lowercase hexadecimal", got: text });
}

/**
 * A name that somebody else chose: a task's, a request's, an incarnation's.
 *
 * @throws RetakeError  `bad-message`
 */
export function decodeToken(text: string, { subject }: { readonly subject: string }): string {
  if (tokenPattern.test(text)) return text;
  throw badMessage(subject, {
    expected: "1 to 128 printable characters without blanks",
    got: text,
  });
}
