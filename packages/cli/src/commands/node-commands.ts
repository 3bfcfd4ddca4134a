import type { NodeStatus } from "@retake/wire/membership";
import type { Command } from "commander";
import type { Environment } from "../environment.js";
import { aligned } from "../text/aligned.js";
import { ageOfText, byteText } from "../text/byte-text.js";
import { addClientOptions, withClient } from "./cluster-commands.js";
import type { RawOptions } from "./option-groups.js";
import { addScaleCommand } from "./scale-command.js";

/** How long a node may take to hand over what it has. */
const drainDurationMsMax = 3_600_000;
const gcDurationMsMax = 600_000;
const dayMs = 24 * 3_600_000;
const editKeptMs = 30 * dayMs;
const unusedKeptMs = dayMs;

/** Adds what whoever runs a cluster asks of it: `nodes`, `drain`, `scale` and `gc`. */
export function addNodeCommands(program: Command, environment: Environment): void {
  const nodes = program
    .command("nodes")
    .description("list the nodes of a cluster, and what they do")
    .action((options: RawOptions) => listNodes(options, environment));
  addClientOptions(nodes);
  const drain = program
    .command("drain")
    .description("let a node hand over its work and leave")
    .argument("<node>", "its name, as nodes prints it")
    .action((nodeId: string, options: RawOptions) => drainNode(nodeId, options, environment));
  addClientOptions(drain);
  addScaleCommand(program, environment);
  const age = (label: string) => (text: string) => ageOfText(text, { label });
  const gc = program
    .command("gc")
    .description("remove edits that ended long ago, and files that no edit names")
    .option("--older <age>", "edits that ended so long ago: 12h, 30d", age("--older"), editKeptMs)
    .option("--unused <age>", "files that nothing names for so long", age("--unused"), unusedKeptMs)
    .option("--dry-run", "only say what would go")
    .addHelpText(
      "after",
      "\nWithout options: edits after 30 days, files that nothing names after 1 day.",
    )
    .action((options: RawOptions) => collect(options, environment));
  addClientOptions(gc);
}

async function listNodes(options: RawOptions, environment: Environment): Promise<void> {
  const { callUnary } = await import("@retake/wire");
  await withClient(environment, options, async ({ membership, call, patiently }) => {
    const { nodes } = await patiently(() =>
      callUnary(membership.listNodes.bind(membership), {}, call("listing nodes")),
    );
    if (options.json === true) {
      environment.writeOut(`${JSON.stringify({ nodes: nodes.map(nodeJson) })}\n`);
      return;
    }
    const rows = nodes
      .map(nodeJson)
      .map((node) => [
        ...[node.nodeId, node.state, `pid ${node.pid}`, node.address, node.engine],
        node.tasks.map(({ kind, editId }) => `${kind} of ${editId}`).join(", ") || "idle",
      ]);
    for (const line of aligned(rows)) environment.writeOut(`${line}\n`);
  });
}

function nodeJson({ node, state, rates, tasks, reason, leaseExpiresUnixMs }: NodeStatus) {
  const plain = (value: string): string => value.replace(/^(NODE_STATE|TASK_KIND)_/, "");
  return {
    ...{ nodeId: node?.nodeId ?? "", pid: node?.pid ?? 0, address: node?.address ?? "" },
    ...{ state: plain(state).toLowerCase(), reason, engine: node?.engine ?? "" },
    ...{ numericsId: node?.numericsId ?? "", threads: node?.threads ?? 0 },
    memoryBytes: node?.memoryBytes ?? 0,
    models: node?.models.map(({ hash, name }) => ({ hash, name })) ?? [],
    tasks: tasks.map(({ taskId, editId, kind }) => ({
      ...{ taskId, editId, kind: plain(kind).toLowerCase() },
    })),
    ...{ rates, leaseExpiresUnixMs },
  };
}

async function drainNode(
  nodeId: string,
  options: RawOptions,
  environment: Environment,
): Promise<void> {
  const { callUnary } = await import("@retake/wire");
  await withClient(environment, options, async ({ membership, call, patiently }) => {
    const settings = { ...call(`draining node ${nodeId}`), timeoutMs: drainDurationMsMax };
    await patiently(() => callUnary(membership.drain.bind(membership), { nodeId }, settings));
    const isJson = options.json === true;
    const told = isJson ? JSON.stringify({ nodeId, drained: true }) : `${nodeId} holds no task`;
    environment.writeOut(`${told}\n`);
  });
}

async function collect(options: RawOptions, environment: Environment): Promise<void> {
  const { callUnary } = await import("@retake/wire");
  const request = {
    editKeptMs: Number(options.older),
    unreferencedKeptMs: Number(options.unused),
    dryRun: options.dryRun === true,
  };
  await withClient(environment, options, async ({ artifacts, call }) => {
    const settings = { ...call("collecting garbage"), timeoutMs: gcDurationMsMax };
    const gone = await callUnary(artifacts.collectGarbage.bind(artifacts), request, settings);
    const { edits, artifacts: files, freedBytes, keptBytes } = gone;
    const verb = request.dryRun ? "would remove" : "removed";
    const what = `${edits} edits and ${files} files, ${byteText(freedBytes)}`;
    const page = `${verb} ${what}; ${byteText(keptBytes)} stay`;
    environment.writeOut(`${options.json === true ? JSON.stringify(gone) : page}\n`);
  });
}
