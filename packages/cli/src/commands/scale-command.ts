import { badOption, wholeNumber } from "@retake/coordinator/settings";
import type { ScaleResponse } from "@retake/wire/membership";
import type { Command } from "commander";
import type { Environment } from "../environment.js";
import { ageOfText } from "../text/byte-text.js";
import { addClientOptions, withClient } from "./cluster-commands.js";
import type { RawOptions } from "./option-groups.js";

const countSpec = wholeNumber({ flags: "<count>", help: "nodes", min: 0, max: 1_000 });
/** The grace of a node's pod, too. */
const handOverMsDefault = 300_000;
const handOverMsMax = 3_600_000;
/** What the coordinator takes besides. */
const callMarginMs = 60_000;

const notes = `
Nodes that leave hand over their work first; no step that was committed is lost.
On Kubernetes it sets the replicas of the pool: nodes, or groups of a LeaderWorkerSet.
The nodes of retake up can only become fewer.`;

/** Adds `scale`. */
export function addScaleCommand(program: Command, environment: Environment): void {
  const age = (text: string): number => ageOfText(text, { label: "--hand-over" });
  const scale = program
    .command("scale")
    .description("make the pool of nodes larger or smaller")
    .argument("<count>", "nodes that there shall be")
    .option("--wait", "until those that leave have handed over, and the pool has its size")
    .option(
      "--hand-over <age>",
      "how long they may take for that; then they go all the same (default: 5m)",
      age,
      handOverMsDefault,
    )
    .addHelpText("after", notes)
    .action((count: string, options: RawOptions) => scalePool(count, options, environment));
  addClientOptions(scale);
}

async function scalePool(
  text: string,
  options: RawOptions,
  environment: Environment,
): Promise<void> {
  const { callUnary } = await import("@retake/wire");
  const count = countSpec.decode(text, "<count>");
  const handOverMs = Number(options.handOver);
  if (!Number.isSafeInteger(handOverMs) || handOverMs < 1 || handOverMs > handOverMsMax) {
    throw badOption("--hand-over", { expected: "1s to 1h", got: `${handOverMs} ms` });
  }
  const request = { count, waits: options.wait === true, handOverMs };
  await withClient(environment, options, async ({ membership, call, patiently }) => {
    const timeoutMs = handOverMs + callMarginMs;
    const settings = { ...call(`scaling the pool to ${count}`), timeoutMs };
    const answer = await patiently(() =>
      callUnary(membership.scale.bind(membership), request, settings),
    );
    const isJson = options.json === true;
    const page = isJson ? JSON.stringify(answer) : scalePage(answer, { waited: request.waits });
    environment.writeOut(`${page}\n`);
  });
}

/** A line for the pool, and one for each node that leaves. */
export function scalePage(
  { pool, countBefore, count, reason, leaving }: ScaleResponse,
  { waited }: { readonly waited: boolean },
): string {
  const lines = leaving.map((node) => {
    const late = waited ? "had not handed over in time" : "hands over";
    return `${node.nodeId}  ${node.handedOver ? "has handed over" : late}: ${node.reason}`;
  });
  const size = `${pool} pool: ${countBefore} -> ${count}`;
  return [`${size}; ${reason}`, ...lines].join("\n");
}
