import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { Metadata } from "@grpc/grpc-js";
import { Code, fromUnknown, type RetakeError } from "@retake/errors";
import type { CallSettings } from "@retake/wire";
import { ArtifactServiceClient } from "@retake/wire/artifact";
import { decodeAddress } from "@retake/wire/decoders";
import { EditServiceClient } from "@retake/wire/edit";
import { MembershipServiceClient } from "@retake/wire/membership";
import { openTls, plainTransport } from "@retake/wire/tls";
import type { Environment } from "../environment.js";
import { coordinatorAddress } from "./cluster-folder.js";

/** A coordinator that is away for longer than this is told of as away. */
const awayDurationMsMax = 30_000;
const retryDelayMsMin = 200;
const retryDelayMsMax = 2_000;

/** What a command needs to call a coordinator. */
export interface ClusterClient {
  readonly address: string;
  readonly edits: EditServiceClient;
  readonly membership: MembershipServiceClient;
  readonly artifacts: ArtifactServiceClient;
  /** Unix time. */
  readonly nowMs: () => number;
  /** What is being done, for messages. */
  readonly call: (subject: string) => CallSettings;
  /** Calls again while the coordinator is away: what is called must be idempotent. */
  readonly patiently: <Result>(work: () => Promise<Result>) => Promise<Result>;
}

export interface ClientOptions {
  readonly coordinator: string | undefined;
  readonly folder: string | undefined;
  readonly tokenFile: string | undefined;
  /** ca.crt, and tls.crt with tls.key if the cluster knows this client by a certificate. */
  readonly tlsFolder: string | undefined;
}

/**
 * Lends a connection to a coordinator.
 *
 * @throws RetakeError  `unreachable`, `not-allowed`; `bad-message` for an address that is none
 */
export async function withCluster<Result>(
  environment: Environment,
  options: ClientOptions,
  use: (client: ClusterClient) => Promise<Result>,
): Promise<Result> {
  const { env, signal } = environment;
  const address = await coordinatorAddress(env, options);
  decodeAddress(address, { subject: "--coordinator" });
  const metadata = new Metadata();
  const token = await givenToken(env, options.tokenFile);
  if (token !== "") metadata.set("authorization", `Bearer ${token}`);
  const tlsFolder = options.tlsFolder ?? env.RETAKE_TLS ?? "";
  const transport =
    tlsFolder === ""
      ? plainTransport
      : await openTls(tlsFolder, { as: "client", nowMs: environment.nowMs });
  const to = transport.to(address, "coordinator");
  const [edits, membership] = [new EditServiceClient(...to), new MembershipServiceClient(...to)];
  const artifacts = new ArtifactServiceClient(...to);
  const call = (subject: string): CallSettings => ({
    ...{ subject: `${subject} at ${address}`, signal, metadata },
  });
  try {
    const patiently = <Value>(work: () => Promise<Value>): Promise<Value> =>
      whileAway(work, environment);
    return await use({
      address,
      nowMs: environment.nowMs,
      edits,
      membership,
      artifacts,
      call,
      patiently,
    });
  } finally {
    for (const client of [edits, membership, artifacts]) client.close();
    transport.close();
  }
}

async function givenToken(env: Environment["env"], path: string | undefined): Promise<string> {
  if (path === undefined) return env.RETAKE_TOKEN ?? "";
  const text = await readFile(path, "utf8").catch((thrown: unknown) => {
    throw fromUnknown(thrown, `token file ${path}`);
  });
  return text.trim();
}

/** Whether the same call may succeed in a moment: no coordinator leads, or none answers. */
export function isAway({ code, reason }: RetakeError): boolean {
  return code === Code.Unavailable && reason !== "tls-failed";
}

async function whileAway<Result>(
  work: () => Promise<Result>,
  { nowMs, signal }: Pick<Environment, "nowMs" | "signal">,
): Promise<Result> {
  const endMs = nowMs() + awayDurationMsMax;
  for (let delayMs = retryDelayMsMin; ; delayMs = Math.min(2 * delayMs, retryDelayMsMax)) {
    try {
      return await work();
    } catch (thrown) {
      const error = fromUnknown(thrown, "call");
      if (!isAway(error) || nowMs() + delayMs > endMs) throw error;
    }
    await delay(delayMs, undefined, { signal });
  }
}
