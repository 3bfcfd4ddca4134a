import { fileURLToPath } from "node:url";
import { badUsage, realNumber, wholeNumber } from "@retake/coordinator/settings";
import type { Command } from "commander";
import type { Environment } from "../environment.js";
import { addSettings, type RawOptions, textOption } from "./option-groups.js";

const demoModelPath = fileURLToPath(new URL("../../../../models/demo", import.meta.url));

const upSpecs = {
  nodes: wholeNumber({
    ...{ flags: "--nodes <count>", help: "node processes", fallback: 1, min: 1, max: 64 },
  }),
  nats: wholeNumber({
    ...{ flags: "--nats <count>", help: "NATS servers, 1 or 3: of three, one may be lost" },
    ...{ fallback: 1, min: 1, max: 3 },
  }),
  threads: wholeNumber({
    ...{ flags: "--threads <count>", help: "threads of a pass, of each node" },
    ...{ min: 1, max: 1024 },
  }),
  memory: realNumber({
    flags: "--memory <gigabytes>",
    help: "what a pass may take, of each node (default: the machine's, divided among them)",
    ...{ min: 0.001, max: 999_999 },
  }),
  leaseMs: wholeNumber({
    ...{ flags: "--lease-ms <ms>", help: "how long a silent node keeps its place" },
    ...{ fallback: 10_000, min: 500, max: 600_000 },
  }),
};

const examples = `
  retake up --nodes 3
  retake submit clip.mp4 --source "..." --prompt "..." --wait     (in another terminal)

With --tls DIR, calls and NATS are encrypted. DIR/coordinator, DIR/node and DIR/nats each hold
ca.crt, tls.crt and tls.key, whose DNS name is coordinator.retake, node.retake or nats.retake;
DIR/client the same of client.retake: give it to the other commands (--tls DIR/client).

It starts nats-server (and installs it, if it is missing), a coordinator and the nodes,
starts again what dies, and ends all with Ctrl-C. Edits that were accepted go on with the
next retake up.`;

/** Adds `up`. */
export function addUpCommand(program: Command, environment: Environment): void {
  const command = program
    .command("up")
    .description("run a cluster on this machine until Ctrl-C")
    .option("--model <path|id>", "the checkpoint that its nodes serve", demoModelPath)
    .option("--dir <folder>", "for its state and logs (default: cluster in the cache folder)")
    .option("--listen <host:port>", "where its coordinator listens", "127.0.0.1:0")
    .option("--tls <folder>", "with certificates in its coordinator, node, client and nats folders")
    .option("--metrics <host:port>", "where its coordinator serves /metrics")
    .option("--json", "addresses and pids as one line of JSON on stdout")
    .addHelpText("after", examples)
    .action((options: RawOptions) => up(options, environment));
  addSettings(command, upSpecs);
}

async function up(options: RawOptions, environment: Environment): Promise<void> {
  const { availableParallelism, totalmem } = await import("node:os");
  const { memoryOfNode } = await import("../cluster/node-memory.js");
  const { clusterFolder } = await import("../cluster/cluster-folder.js");
  const { runLocalCluster } = await import("../cluster/run-local-cluster.js");
  const { cacheFolder } = await import("../cache/cache-folder.js");
  const nodeCount = Number(options.nodes ?? upSpecs.nodes.fallback);
  const machineBytes = Math.min(totalmem(), process.constrainedMemory() || Infinity);
  const fairShare = Math.max(1, Math.floor(availableParallelism() / nodeCount));
  await runLocalCluster(environment, {
    ...{ nodeCount, threads: Number(options.threads ?? fairShare) },
    memory:
      options.memory === undefined
        ? memoryOfNode({ machineBytes, nodeCount })
        : Number(options.memory).toFixed(3),
    natsCount: natsCountOf(options),
    model: textOption(options, "model") ?? demoModelPath,
    folder: clusterFolder(environment.env, textOption(options, "dir")),
    cacheDir: cacheFolder(environment.env),
    listen: textOption(options, "listen") ?? "127.0.0.1:0",
    ...{ metrics: textOption(options, "metrics"), tlsFolder: textOption(options, "tls") },
    leaseMs: Number(options.leaseMs ?? upSpecs.leaseMs.fallback),
    isJson: options.json === true,
  });
}

function natsCountOf({ nats = upSpecs.nats.fallback }: RawOptions): 1 | 3 {
  if (Number(nats) === 1) return 1;
  if (Number(nats) === 3) return 3;
  throw badUsage("--nats", { expected: "1 or 3", got: `${nats}` });
}
