import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Code, fromUnknown, RetakeError } from "@retake/errors";
import { nameOfRole, type Role, roleOf } from "./role.js";

/** Certificates of a process, checked. */
export interface TlsFiles {
  /** PEM: whose signatures are trusted; more than one while a CA is replaced. */
  readonly ca: Buffer;
  /** Who the process itself is; undefined for a client that has only the CA. */
  readonly identity: TlsIdentity | undefined;
}

export interface TlsIdentity {
  /** PEM: the certificate, and what stands between it and the CA. */
  readonly certificate: Buffer;
  /** PEM */
  readonly privateKey: Buffer;
  /** Unix time. */
  readonly expiresAtMs: number;
}

/** The names that Kubernetes gives to the files of a secret that cert-manager keeps. */
export const tlsFileNames = { ca: "ca.crt", certificate: "tls.crt", privateKey: "tls.key" };

const layout = "a folder with ca.crt, tls.crt and tls.key, as a cert-manager secret is mounted";

export interface TlsFolderOptions {
  /** What the certificate must name. A client may be without one. */
  readonly as: Role;
  readonly nowMs: number;
}

/**
 * Reads a folder of certificates, and checks that they fit together.
 *
 * @throws RetakeError  `file-not-found`, `file-unreadable`, `file-malformed`;
 *                      `certificate-expired`, `certificate-mismatch`, `certificate-role`
 */
export async function readTlsFolder(
  folder: string,
  { as, nowMs }: TlsFolderOptions,
): Promise<TlsFiles> {
  const path = {
    ca: join(folder, tlsFileNames.ca),
    certificate: join(folder, tlsFileNames.certificate),
    privateKey: join(folder, tlsFileNames.privateKey),
  };
  const ca = await readIf(path.ca);
  if (ca === undefined) throw missing(path.ca);
  const authorities = certificatesIn(ca, path.ca);
  const certificate = await readIf(path.certificate);
  const privateKey = await readIf(path.privateKey);
  const hasNone = certificate === undefined && privateKey === undefined;
  if (hasNone && as === "client") return { ca, identity: undefined };
  if (certificate === undefined) throw missing(path.certificate);
  if (privateKey === undefined) throw missing(path.privateKey);
  const [own, ...between] = certificatesIn(certificate, path.certificate);
  if (own === undefined) throw malformed(path.certificate, { expected: "a certificate" });
  assertCurrent(own, { path: path.certificate, nowMs });
  assertKeyOf(own, privateKey, path);
  if (![...between, ...authorities].some((issuer) => own.verify(issuer.publicKey))) {
    const got = own.issuer.split("\n").join(", ");
    const expected = `expected to be signed by what is in ${path.ca}`;
    throw mismatch(`${path.certificate}: ${expected}, got another issuer (${got})`);
  }
  const expiresAtMs = Date.parse(own.validTo);
  if (roleOf(own) === as) return { ca, identity: { certificate, privateKey, expiresAtMs } };
  const got = own.subjectAltName ?? "no alternative name";
  const expected = `expected the DNS name ${nameOfRole(as)} and no other role's`;
  const message = `${path.certificate}: ${expected}, got ${got}; take the certificate of a ${as}`;
  throw new RetakeError(Code.InvalidArgument, "certificate-role", message);
}

async function readIf(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (thrown) {
    const error = fromUnknown(thrown, path);
    if (error.reason === "file-not-found") return undefined;
    throw error;
  }
}

const pem = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

function certificatesIn(bytes: Buffer, path: string): readonly X509Certificate[] {
  const texts = bytes.toString("latin1").match(pem) ?? [];
  if (texts.length === 0) throw malformed(path, { expected: "a certificate in PEM" });
  try {
    return texts.map((text) => new X509Certificate(text));
  } catch (cause) {
    throw malformed(path, { expected: "a certificate in PEM", cause });
  }
}

function assertCurrent(
  { validFrom, validTo }: X509Certificate,
  { path, nowMs }: { readonly path: string; readonly nowMs: number },
): void {
  if (Date.parse(validFrom) <= nowMs && nowMs < Date.parse(validTo)) return;
  const now = new Date(nowMs).toISOString();
  const message =
    `${path}: expected a certificate that is valid at ${now}, got one from ${validFrom} to ` +
    `${validTo}; renew it, or set the clock`;
  throw new RetakeError(Code.FailedPrecondition, "certificate-expired", message);
}

function assertKeyOf(
  own: X509Certificate,
  privateKey: Buffer,
  path: Readonly<Record<"certificate" | "privateKey", string>>,
): void {
  let isPair: boolean;
  try {
    isPair = own.checkPrivateKey(createPrivateKey(privateKey));
  } catch (cause) {
    throw malformed(path.privateKey, { expected: "a private key in PEM without password", cause });
  }
  if (isPair) return;
  throw mismatch(`${path.privateKey}: expected the key of ${path.certificate}, got another one`);
}

function missing(path: string): RetakeError {
  const message = `${path}: expected ${layout}, got no such file; name the right folder`;
  return new RetakeError(Code.NotFound, "file-not-found", message);
}

function malformed(
  path: string,
  { expected, cause }: { readonly expected: string; readonly cause?: unknown },
): RetakeError {
  const message = `${path}: expected ${expected}, got something else; write it anew`;
  return new RetakeError(Code.InvalidArgument, "file-malformed", message, { cause });
}

function mismatch(problem: string): RetakeError {
  const message = `${problem}; take all three files from the same secret`;
  return new RetakeError(Code.InvalidArgument, "certificate-mismatch", message);
}
