import { join } from "node:path";
import {
  type ChannelCredentials,
  type ChannelOptions,
  credentials,
  experimental,
  ServerCredentials,
} from "@grpc/grpc-js";
import { fromUnknown, type RetakeError } from "@retake/errors";
import { clientOptions } from "../calls/channel-options.js";
import { readTlsFolder, type TlsFiles, tlsFileNames } from "./read-tls-folder.js";
import { nameOfRole, type Role } from "./role.js";

/** What the constructor of a client takes. */
export type ChannelTo = readonly [
  address: string,
  credentials: ChannelCredentials,
  options: ChannelOptions,
];

/** What NATS reads anew at every connection. */
export interface NatsTls {
  readonly caFile: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  /** What the server's certificate must name. */
  readonly servername: string;
}

/** How processes reach each other: readable by all, or by mutual TLS. */
export interface Transport {
  readonly isSecure: boolean;
  /** For a client of a server that must be of such a role, wherever it is. */
  to(address: string, role: Role): ChannelTo;
  serverCredentials(): ServerCredentials;
  readonly nats: NatsTls | undefined;
  /** Unix time when the certificate in use runs out; undefined without one. */
  readonly expiresAtMs: () => number | undefined;
  /** Reads the files now; else it does every ten seconds. What is not right changes nothing. */
  reload(): Promise<void>;
  close(): void;
}

/** Without certificates: on loopback, or in a network that is trusted. */
export const plainTransport: Transport = {
  isSecure: false,
  to: (address) => [address, credentials.createInsecure(), clientOptions],
  serverCredentials: () => ServerCredentials.createInsecure(),
  nats: undefined,
  expiresAtMs: () => undefined,
  reload: async () => {},
  close: () => {},
};

export interface TlsOptions {
  /** What this process is. */
  readonly as: Role;
  readonly nowMs: () => number;
  /** Told when other certificates are in use. */
  readonly onReload?: (() => void) | undefined;
  /** Told why files that changed are not used: once for each reason. */
  readonly onError?: ((error: RetakeError) => void) | undefined;
}

/** Kubernetes takes up to a minute to bring a changed secret into a pod. */
const reloadEveryMs = 10_000;

/**
 * Opens a folder of certificates for all that a process serves and calls. Handshakes after a change
 * of the files use the new ones; connections that are there stay.
 *
 * @throws RetakeError  as `readTlsFolder`
 */
export async function openTls(folder: string, options: TlsOptions): Promise<Transport> {
  const { as, nowMs, onReload, onError } = options;
  let files = await readTlsFolder(folder, { as, nowMs: nowMs() });
  let problem = "";
  const listeners = certificateListeners(() => files);
  const reload = async (): Promise<void> => {
    try {
      const read = await readTlsFolder(folder, { as, nowMs: nowMs() });
      problem = "";
      if (areSame(read, files)) return;
      files = read;
      listeners.tell();
      onReload?.();
    } catch (thrown) {
      const error = fromUnknown(thrown, folder);
      if (error.message !== problem) onError?.(error);
      problem = error.message;
    }
  };
  const timer = setInterval(() => void reload(), reloadEveryMs);
  timer.unref();
  const { provider } = listeners;
  const identity = files.identity === undefined ? null : provider;
  const channel = experimental.createCertificateProviderChannelCredentials(provider, identity);
  return {
    isSecure: true,
    to: (address, role) => {
      const name = { "grpc.ssl_target_name_override": nameOfRole(role) };
      return [address, channel, { ...clientOptions, ...name }];
    },
    // Who has no certificate of this cluster is answered by the guard, in words.
    serverCredentials: () =>
      experimental.createCertificateProviderServerCredentials(provider, provider, false),
    nats: natsTls(folder, files),
    expiresAtMs: () => files.identity?.expiresAtMs,
    reload,
    close: () => clearInterval(timer),
  };
}

function natsTls(folder: string, { identity }: TlsFiles): NatsTls {
  const path = (name: keyof typeof tlsFileNames): string => join(folder, tlsFileNames[name]);
  const own =
    identity === undefined ? {} : { certFile: path("certificate"), keyFile: path("privateKey") };
  return { caFile: path("ca"), ...own, servername: nameOfRole("nats") };
}

function areSame(one: TlsFiles, other: TlsFiles): boolean {
  const bytes = ({ ca, identity }: TlsFiles): Buffer =>
    Buffer.concat([ca, identity?.certificate ?? ca, identity?.privateKey ?? ca]);
  return bytes(one).equals(bytes(other));
}

/** What gRPC listens to; it must not hear from a provider before it has finished to subscribe. */
function certificateListeners(now: () => TlsFiles): {
  readonly provider: experimental.CertificateProvider;
  readonly tell: () => void;
} {
  const onCa = new Set<experimental.CaCertificateUpdateListener>();
  const onIdentity = new Set<experimental.IdentityCertificateUpdateListener>();
  const tellCa = (listener: experimental.CaCertificateUpdateListener): void =>
    listener({ caCertificate: now().ca });
  const tellIdentity = (listener: experimental.IdentityCertificateUpdateListener): void =>
    listener(now().identity ?? null);
  const provider: experimental.CertificateProvider = {
    addCaCertificateListener: (listener) => {
      onCa.add(listener);
      process.nextTick(tellCa, listener);
    },
    addIdentityCertificateListener: (listener) => {
      onIdentity.add(listener);
      process.nextTick(tellIdentity, listener);
    },
    removeCaCertificateListener: (listener) => onCa.delete(listener),
    removeIdentityCertificateListener: (listener) => onIdentity.delete(listener),
  };
  const tell = (): void => {
    onIdentity.forEach(tellIdentity);
    onCa.forEach(tellCa);
  };
  return { provider, tell };
}
