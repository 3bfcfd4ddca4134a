import { createHash, timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Metadata } from "@grpc/grpc-js";
import { Code, fromUnknown, RetakeError } from "@retake/errors";
import type { CallContext } from "@retake/wire";

/** Whose edits a caller may see. */
export type TenantOf = (metadata: Metadata) => string;

/** Refuses who is neither a node nor runs the cluster. */
export type OperatorCheck = (caller: Pick<CallContext, "metadata" | "role">) => void;

/** Of nodes, and of who runs the cluster: what they may do is not of one tenant. */
const operatorTenant = "cluster";

/** Of whoever calls without a token, where none is needed. */
export const localTenant = "local";

interface Token {
  readonly tenant: string;
  readonly digest: Buffer;
}

const line = /^([a-z0-9][a-z0-9-]{0,62})\s+([0-9a-f]{64})$/;

/**
 * Reads a tokens file: a line for each token, the tenant's name and the SHA-256 of the token. The
 * tokens themselves stand nowhere.
 *
 * @throws RetakeError  `file-malformed`, `file-not-found`, `file-unreadable`
 */
export async function readTokens(path: string): Promise<readonly Token[]> {
  const text = await readFile(path, "utf8").catch((thrown: unknown) => {
    throw fromUnknown(thrown, `tokens file ${path}`);
  });
  const lines = text.split("\n").map((raw) => raw.trim());
  return lines.flatMap((content, index): Token[] => {
    if (content === "" || content.startsWith("#")) return [];
    const [, tenant, digest] = line.exec(content) ?? [];
    if (tenant !== undefined && digest !== undefined) {
      return [{ tenant, digest: Buffer.from(digest, "hex") }];
    }
    const expected = "expected a tenant's name and the SHA-256 of its token in lowercase hex";
    const message = `${path}, line ${index + 1}: ${expected}, got something else`;
    throw new RetakeError(Code.InvalidArgument, "file-malformed", message);
  });
}

/**
 * @param options.isOpen  whether callers without a token are let in: only on loopback
 * @returns  throws RetakeError `not-allowed` for a token that is missing or not known
 */
export function tenantsBy(tokens: readonly Token[], { isOpen }: { isOpen: boolean }): TenantOf {
  return (metadata) => {
    const [given] = metadata.get("authorization").map(String);
    if (given === undefined && isOpen) return localTenant;
    const [, token] = /^Bearer (\S+)$/i.exec(given ?? "") ?? [];
    const digest = createHash("sha256")
      .update(token ?? "")
      .digest();
    const found = tokens.filter((known) => timingSafeEqual(known.digest, digest));
    const [first] = found;
    if (token !== undefined && first !== undefined) return first.tenant;
    const got = token === undefined ? "none" : "one that is not known";
    const message = `token: expected one of this cluster's, got ${got}; give --token-file`;
    throw new RetakeError(Code.Unauthenticated, "not-allowed", message);
  };
}

/**
 * @returns  throws RetakeError `not-allowed` for a caller that is neither a node nor runs the
 *           cluster: it has neither a node's certificate nor the token of the tenant "cluster"
 */
export function operatorsBy(tenantOf: TenantOf, { isOpen }: { isOpen: boolean }): OperatorCheck {
  return ({ metadata, role }) => {
    if (role === "node") return;
    const tenant = tenantOf(metadata);
    if (tenant === operatorTenant || (isOpen && tenant === localTenant)) return;
    const message = `token: expected the one of the tenant ${operatorTenant}, got ${tenant}'s`;
    throw new RetakeError(Code.PermissionDenied, "not-allowed", message);
  };
}
