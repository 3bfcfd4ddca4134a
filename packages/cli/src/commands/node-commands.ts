import type { NodeStatus } from "@retake/wire/membership";
import type { Command } from "commander";
import type { Environment } from "../environment.js";
import { aligned } from "../text/aligned.js";
import { addClientOptions, withClient } from "./cluster-commands.js";
import type { RawOptions } from "./option-groups.js";

/** How long a node may take to hand over what it has. */
const drainDurationMsMax = 3_600_000;

/** Adds what whoever runs a cluster asks of it: `nodes` and `drain`. */
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
