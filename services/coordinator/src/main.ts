import { parseArgs } from "node:util";
import { armFaultPoints, Code, fromUnknown, RetakeError } from "@retake/errors";
import { prepareMemory } from "@retake/wire/memory";
import { pino } from "pino";
import { type CoordinatorOptions, createCoordinator } from "./create-coordinator.js";
import { decodePoolName } from "./pool/pool-name.js";
import type { GarbageOptions } from "./rpc/garbage.js";
import { natsAuthorization, natsPermissions } from "./store/nats-permissions.js";

const usage = `node services/coordinator/dist/main.js [options]
  --listen HOST:PORT    where nodes and clients call (default 127.0.0.1:0, a free port)
  --advertise HOST:PORT how they reach it, where that is another address
  --nats URL            a server of the cluster's NATS; again for more; none: state in memory
  --store-name NAME     begins every name in NATS (default retake)
  --replicas 1|3        of what is stored in NATS
  --store-folder PATH   for artifacts; none: in memory
  --tokens FILE         tenants and SHA-256 of their tokens; needed beyond loopback
  --tls DIR             ca.crt, tls.crt, tls.key of coordinator.retake (SERVICE.md): calls and
                        NATS are encrypted, and callers need a certificate of the right role;
                        changed files are taken up within 10 s. Without: only in a trusted network
  --nats-permissions    print who may touch which subjects, for nats-server's configuration
  --kubernetes          lead by the Lease "coordinator" of the API server that KUBECONFIG, or the
                        pod's service account, names; --nats still holds what fences. Without: by
                        a lease in NATS
  --kubernetes-namespace NAME  of that Lease, and of the pool (default: the account's or the
                        context's own)
  --kubernetes-pod NAME  the pod that it runs in: labelled retake.dev/leads while it leads, for a
                        Service to choose by; whoever waits is then ready, too
  --pool KIND/NAME      what runs the nodes on Kubernetes, for retake scale: statefulset/NAME or
                        leaderworkerset/NAME; none: nobody starts nodes
  --metrics HOST:PORT   where Prometheus asks for /metrics, and Kubernetes for /livez, /readyz
  --reflection          say over gRPC what can be called
  --lease-ms N          how long a silent node keeps its place (default 10000)
  --keep-edits-ms N     how long edits that ended are kept (default 2592000000, 30 days)
  --leader-lease-ms N   how long a silent coordinator keeps its lead (default 5000; with
                        --kubernetes 15000, in whole seconds)`;

/** Runs a coordinator until it is told to end. */
async function main(args: readonly string[]): Promise<void> {
  const logger = pino({ base: { pid: process.pid } });
  try {
    armFaultPoints(process.env["RETAKE_FAULT_POINTS"], process);
    const options = optionsOf(args);
    if (typeof options === "string") {
      process.stdout.write(`${options}\n`);
      return;
    }
    prepareMemory();
    const coordinator = await createCoordinator({ ...options, logger });
    const { id, address, metricsAddress } = coordinator;
    logger.info({ id, address, metricsAddress }, "listening");
    const signal = await new Promise<string>((resolve) => {
      for (const name of ["SIGTERM", "SIGINT"]) process.once(name, () => resolve(name));
    });
    logger.info({ signal }, "ends");
    await coordinator.close();
  } catch (thrown) {
    const { code, reason, message } = fromUnknown(thrown, "coordinator");
    logger.fatal({ code, reason }, message);
    process.exitCode = 1;
  }
}

/** What was asked for; or a page to print instead. */
function optionsOf(args: readonly string[]): Omit<CoordinatorOptions, "logger"> | string {
  const values = parsed(args);
  if (values.help === true) return usage;
  if (values["nats-permissions"] === true) {
    return natsAuthorization(natsPermissions(values["store-name"] ?? "retake"));
  }
  const leaseDurationMs = decodeMs(values["lease-ms"], "--lease-ms");
  return {
    ...{ listen: values.listen, advertise: values.advertise, natsServers: values.nats },
    ...{ storeName: values["store-name"], storeFolder: values["store-folder"] },
    ...{ tokensFile: values.tokens, tlsFolder: values.tls, metricsListen: values.metrics },
    ...{ replicas: decodeReplicas(values.replicas), reflects: values.reflection },
    leaderLeaseMs: decodeMs(values["leader-lease-ms"], "--leader-lease-ms"),
    kubernetes: kubernetesOf(values),
    garbage: keptOf(values["keep-edits-ms"]),
    decide: leaseDurationMs === undefined ? {} : { leaseDurationMs },
  };
}

function parsed(args: readonly string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        ...{ listen: text, advertise: text, nats: { type: "string", multiple: true } },
        ...{ "store-name": text, "store-folder": text, tokens: text, tls: text, metrics: text },
        ...{ replicas: text, "lease-ms": text, "leader-lease-ms": text },
        ...{ "keep-edits-ms": text, pool: text },
        ...{ help: { type: "boolean" }, reflection: { type: "boolean" } },
        "nats-permissions": { type: "boolean" },
        ...{ kubernetes: { type: "boolean" }, "kubernetes-namespace": text },
        "kubernetes-pod": text,
      },
    }).values;
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    throw badOption(`command line: ${message}; see --help`, thrown);
  }
}

function kubernetesOf(values: ReturnType<typeof parsed>): CoordinatorOptions["kubernetes"] {
  const { pool: poolText, kubernetes: leads = false, "kubernetes-namespace": namespace } = values;
  const { "kubernetes-pod": pod } = values;
  if (!leads && poolText === undefined && pod === undefined) return undefined;
  const pool = poolText === undefined ? undefined : decodePoolName(poolText, { flag: "--pool" });
  return { leads, namespace, pool, pod };
}

function decodeReplicas(text: string | undefined): 1 | 3 | undefined {
  if (text === undefined) return undefined;
  if (text === "1" || text === "3") return text === "1" ? 1 : 3;
  throw badOption(`--replicas: expected 1 or 3, got ${text}`);
}

function keptOf(text: string | undefined): Partial<GarbageOptions> {
  if (text === undefined) return {};
  if (/^\d{1,14}$/.test(text)) return { editKeptMs: Number(text) };
  throw badOption(`--keep-edits-ms: expected a number of milliseconds, got ${text}`);
}

function decodeMs(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  const ms = Number(text);
  if (/^\d{1,7}$/.test(text) && ms >= 100) return ms;
  throw badOption(`${flag}: expected 100 to 9999999 ms, got ${text}`);
}

function badOption(message: string, cause?: unknown): RetakeError {
  return new RetakeError(Code.InvalidArgument, "bad-option", message, { cause });
}

await main(process.argv.slice(2));
