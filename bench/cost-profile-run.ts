/**
 * Runs one pass with ONNX Runtime's profile on, and counts operations and bytes of the nodes that
 * were really executed, by their real shapes. Prints one JSON object; `bench:cost` starts it.
 */
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createEngine } from "@retake/gpu-node";
import { type JsonObject, jsonObject } from "../test/golden/json-object.js";
import { costPassSpec } from "./cost-passes.js";
import { programInputs } from "./program-inputs.js";
import { openSdSize } from "./sd-size.js";

type Shape = readonly number[];

const sizeOf = (shape: Shape): number => shape.reduce((product, size) => product * size, 1);

/** Floating-point operations of an executed node, from what ONNX says the operator is. */
function executedFlops(operator: string, inputs: readonly Shape[], output: Shape): number {
  const [first = [], second = []] = inputs;
  const outputs = sizeOf(output);
  if (/MatMul$/.test(operator)) {
    const rows = output.at(-2) ?? 1;
    return (2 * outputs * sizeOf(first.slice(-2))) / rows;
  }
  if (/Gemm$/.test(operator)) return (2 * outputs * sizeOf(first)) / (output[0] ?? 1);
  if (/ConvTranspose$/.test(operator)) return 2 * sizeOf(first) * sizeOf(second.slice(1));
  if (/Conv$/.test(operator)) return 2 * outputs * sizeOf(second.slice(1));
  if (/Attention$/.test(operator)) return 4 * sizeOf(first) * (second[1] ?? 1);
  return /^(Reshape|Transpose|Slice|Concat|Expand|Gather|Pad|Split|DepthToSpace)/.test(operator)
    ? 0
    : outputs;
}

function shapesOf(value: unknown): Shape[] {
  const list = Array.isArray(value) ? value : [];
  return list.map((each) => Object.values(jsonObject(each)).flat().map(Number));
}

/** Views move nothing, though the profile counts them. */
const isView = (operator: string): boolean =>
  /^(Reshape|Squeeze|Unsqueeze|Flatten)$/.test(operator);

function countedProfile(events: readonly unknown[]): JsonObject {
  const seconds = new Map<string, number>();
  let [flops, bytes] = [0, 0];
  for (const event of events.map(jsonObject)) {
    if (event.cat !== "Node" || !String(event.name).endsWith("_kernel_time")) continue;
    const node = jsonObject(event.args);
    const operator = String(node.op_name);
    const [output = []] = shapesOf(node.output_type_shape);
    flops += executedFlops(operator, shapesOf(node.input_type_shape), output);
    const sizes = [node.activation_size, node.parameter_size, node.output_size].map(Number);
    if (!isView(operator)) bytes += sizes.reduce((sum, size) => sum + size, 0);
    seconds.set(operator, (seconds.get(operator) ?? 0) + Number(event.dur) / 1e6);
  }
  const slowest = [...seconds].sort(([, a], [, b]) => b - a).slice(0, 6);
  return { flops, bytes, slowest: slowest.map(([name, s]) => `${name} ${s.toFixed(2)} s`) };
}

/** The largest file of a folder: the engine's own trials leave small profiles beside it. */
async function largestFile(folder: string): Promise<string> {
  const paths = (await readdir(folder)).map((name) => join(folder, name));
  const sizes = await Promise.all(paths.map(async (path) => (await stat(path)).size));
  const path = paths[sizes.indexOf(Math.max(...sizes))];
  if (path === undefined) throw new Error(`expected a profile in ${folder}, got none`);
  return path;
}

async function main(name: string, threads: number): Promise<void> {
  const files = await openSdSize();
  const spec = costPassSpec(files, name);
  const profileDir = await mkdtemp(join(tmpdir(), "retake-profile-"));
  try {
    const engine = await createEngine("onnx-cpu", { threads, profileDir });
    const weights = files.weights[spec.kind === "vae-decode" ? "vae" : "unet"];
    const program = await engine.load(spec, weights);
    await program.run(await programInputs(files, spec));
    // Closing writes the profile.
    await program.close();
    await engine.close();
    const events: unknown = JSON.parse(await readFile(await largestFile(profileDir), "utf8"));
    console.log(JSON.stringify(countedProfile(Array.isArray(events) ? events : [])));
  } finally {
    await rm(profileDir, { recursive: true });
  }
}

await main(process.argv[2] ?? "forward", Number(process.argv[3] ?? 2));
