// What the library below builds on; it must be there first.
import "reflect-metadata";
import { KeyObject, webcrypto } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const hourMs = 3_600_000;

/** What a certificate of a test says. */
export interface Wanted {
  /** DNS names, of which a role's is `node.retake`; or IP addresses. */
  readonly names: readonly string[];
  /** Default: in an hour. */
  readonly expiresAtMs?: number;
}

/** A CA of a test. */
export interface TestAuthority {
  /** PEM */
  readonly certificate: string;
  /** A certificate and its key, in PEM. */
  issue(wanted: Wanted): Promise<Issued>;
}

export interface Issued {
  readonly certificate: string;
  readonly privateKey: string;
}

const newKeys = (): Promise<webcrypto.CryptoKeyPair> =>
  webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);

const pemOf = (certificate: X509Certificate): string => `${certificate.toString("pem")}\n`;

const alternativeName = (value: string) =>
  ({ type: isIP(value) === 0 ? "dns" : "ip", value }) as const;

export async function createAuthority(name = "CN=Retake test"): Promise<TestAuthority> {
  const keys = await newKeys();
  const own = await X509CertificateGenerator.createSelfSigned({
    ...{ name, keys, signingAlgorithm: algorithm },
    ...{ notBefore: new Date(Date.now() - 3 * hourMs), notAfter: new Date(Date.now() + hourMs) },
    extensions: [
      new BasicConstraintsExtension(true, 1, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  const issue = async ({ names, expiresAtMs = Date.now() + hourMs }: Wanted): Promise<Issued> => {
    const { publicKey, privateKey } = await newKeys();
    const issued = await X509CertificateGenerator.create({
      ...{ subject: "CN=Retake", issuer: own.subject, publicKey, signingKey: keys.privateKey },
      ...{ signingAlgorithm: algorithm, notBefore: new Date(Date.now() - 2 * hourMs) },
      notAfter: new Date(expiresAtMs),
      extensions: [new SubjectAlternativeNameExtension(names.map(alternativeName))],
    });
    const key = KeyObject.from(privateKey).export({ type: "pkcs8", format: "pem" }).toString();
    return { certificate: pemOf(issued), privateKey: key };
  };
  return { certificate: pemOf(own), issue };
}

/** Writes a folder as a cert-manager secret is mounted; without what is issued, only the CA. */
export async function writeTlsFolder(
  folder: string,
  trusted: readonly TestAuthority[],
  issued?: Partial<Issued>,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  const write = async (name: string, text: string | undefined): Promise<void> => {
    if (text !== undefined) await writeFile(join(folder, name), text);
  };
  await write("ca.crt", trusted.map(({ certificate }) => certificate).join(""));
  await write("tls.crt", issued?.certificate);
  await write("tls.key", issued?.privateKey);
  return folder;
}
