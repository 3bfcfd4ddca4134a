import { createHash, timingSafeEqual, X509Certificate } from "node:crypto";
import {
  type Metadata,
  Server,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from "@grpc/grpc-js";
import { Code, RetakeError } from "@retake/errors";
import { serverOptions } from "../calls/channel-options.js";
import { statusOf } from "../failures/grpc-failure.js";
import { nameOfRole, type Role, roleOf } from "./role.js";
import type { Transport } from "./transport.js";

/** A role; or no certificate, but a token that is looked at later; or whoever asks. */
export type Caller = Role | "token" | "anybody";

/** Who may call a method (`/package.Service/Method`), else a service (`/package.Service`). */
export type CallerRules = Readonly<Record<string, readonly Caller[]>>;

/** What was refused, with names that have a bound: for counters. */
export interface Refusal {
  readonly service: string;
  /** The role of the caller; "none" without a certificate that this cluster's CA signed. */
  readonly caller: Role | "token" | "none";
  readonly error: RetakeError;
}

/** Calls after this go by a new connection, which shows certificates of today. */
const connectionAgeMaxMsDefault = 10 * 60_000;

/** A service that only those may call who show a token. */
export interface TokenRule {
  /** `/package.Service` */
  readonly service: string;
  readonly token: string;
}

export interface ServerTerms {
  readonly callers: CallerRules;
  /** Without TLS, in place of the rules. */
  readonly tokenRule?: TokenRule | undefined;
  readonly onRefused: (refusal: Refusal) => void;
  /** After this, a connection takes no new calls. Default 10 minutes. */
  readonly connectionAgeMaxMs?: number | undefined;
}

/**
 * A server; by TLS, one that lets only those in whom the rules name: what has no rule is refused.
 * Without TLS there is nothing to tell callers apart by but a token, and the rules do not count.
 */
export function createServer(
  { isSecure }: Transport,
  { callers, tokenRule, onRefused, connectionAgeMaxMs = connectionAgeMaxMsDefault }: ServerTerms,
): Server {
  if (!isSecure) {
    const guards = tokenRule === undefined ? [] : [guard(byToken(tokenRule), onRefused)];
    return new Server({ ...serverOptions, interceptors: guards });
  }
  const byRole: Judge = (path, call, metadata) =>
    refusalOf(path, callers, callerOf(call, metadata));
  return new Server({
    ...serverOptions,
    "grpc.max_connection_age_ms": connectionAgeMaxMs,
    interceptors: [guard(byRole, onRefused)],
  });
}

/** Why a call is refused; undefined for one that is not. */
type Judge = (
  path: string,
  call: ServerInterceptingCallInterface,
  metadata: Metadata,
) => Refusal | undefined;

function byToken({ service, token }: TokenRule): Judge {
  const right = digestOf(`Bearer ${token}`);
  return (path, _, metadata) => {
    const [given] = metadata.get("authorization").map(String);
    if (!path.startsWith(`${service}/`)) return undefined;
    if (given !== undefined && timingSafeEqual(digestOf(given), right)) return undefined;
    const got = given === undefined ? "none" : "another";
    const message = `${path}: expected the token of this cluster, got ${got}; a coordinator has it`;
    const error = new RetakeError(Code.Unauthenticated, "not-allowed", message);
    return { service, caller: given === undefined ? "none" : "token", error };
  };
}

const digestOf = (text: string): Buffer => createHash("sha256").update(text).digest();

function guard(judge: Judge, onRefused: (refusal: Refusal) => void): ServerInterceptor {
  return ({ path }, call) =>
    new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, go) => {
            const refusal = judge(path, call, metadata);
            if (refusal === undefined) {
              go(metadata);
              return;
            }
            onRefused(refusal);
            call.sendStatus(statusOf(refusal.error, path));
          },
        }),
    });
}

function refusalOf(
  path: string,
  rules: CallerRules,
  caller: Refusal["caller"],
): Refusal | undefined {
  const service = path.slice(0, path.lastIndexOf("/"));
  const allowed = rules[path] ?? rules[service] ?? [];
  if (allowed.includes("anybody") || allowed.some((one) => one === caller)) return undefined;
  const isKnown = caller !== "none" && caller !== "token";
  const expected = allowed.map(described).join(" or ") || "nobody";
  const got = isKnown
    ? `that of ${nameOfRole(caller)}`
    : "none that this cluster's CA signed, names one role and is valid today";
  const message = `${path}: expected the certificate of ${expected}, got ${got}; see --tls`;
  const code = isKnown ? Code.PermissionDenied : Code.Unauthenticated;
  return { service, caller, error: new RetakeError(code, "not-allowed", message) };
}

const described = (caller: Caller): string =>
  caller === "token" || caller === "anybody" ? "who has a token" : nameOfRole(caller);

/** The role of whoever calls; undefined without a certificate that holds. */
export function roleOfCall(
  call: Pick<ServerInterceptingCallInterface, "getAuthContext">,
): Role | undefined {
  const raw = call.getAuthContext().sslPeerCertificate?.raw;
  return raw === undefined ? undefined : roleOf(new X509Certificate(raw));
}

function callerOf(call: ServerInterceptingCallInterface, metadata: Metadata): Refusal["caller"] {
  const role = roleOfCall(call);
  if (role !== undefined) return role;
  return metadata.get("authorization").length > 0 ? "token" : "none";
}
