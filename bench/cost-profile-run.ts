/**
 * Runs one pass with ONNX Runtime's profile on, and counts operations and bytes of the nodes that
 * were really executed, by their real shapes. Prints one JSON object; `bench:cost` starts it.
 */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { lowerToOnnx } from "@retake/compile";
import * as ort from "onnxruntime-node";
import { type JsonObject, jsonObject } from "../test/golden/json-object.js";
import { costPassSpec } from "./cost-passes.js";
import { programInputs } from "./program-inputs.js";
import { openSdSize } from "./sd-size.js";
import { graphOf } from "./sd-size-pass.js";

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
  return /^(Reshape|Transpose|Slice|Concat|Expand|Gather|Pad|Split)/.test(operator) ? 0 : outputs;
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

async function main(name: string, threads: number): Promise<void> {
  const files = await openSdSize();
  const spec = costPassSpec(files, name);
  const weights = files.weights[spec.kind === "vae-decode" ? "vae" : "unet"];
  const model = lowerToOnnx(graphOf(spec), {
    target: "cpu",
    weights: (weight) => {
      const { file = "", offset = 0 } = weights.get(weight) ?? {};
      return { location: basename(file), offset };
    },
  });
  const [location] = weights.values();
  const folder = await mkdtemp(join(tmpdir(), "retake-profile-"));
  try {
    const session = await ort.InferenceSession.create(model, {
      ...{ intraOpNumThreads: threads, graphOptimizationLevel: "extended" },
      ...{ enableMemPattern: false, logSeverityLevel: 3 },
      ...{ enableProfiling: true, profileFilePrefix: join(folder, "profile") },
      extra: {
        session: {
          disable_prepacking: "1",
          model_external_initializers_file_folder_path: dirname(location?.file ?? ""),
        },
      },
    });
    const inputs = Object.entries(await programInputs(files, spec));
    const feeds = inputs.map(([input, { data, shape }]) => {
      return [input, new ort.Tensor(Float32Array.from(data), shape)] as const;
    });
    await session.run(Object.fromEntries(feeds));
    session.endProfiling();
    const [file = ""] = await readdir(folder);
    const events: unknown = JSON.parse(await readFile(join(folder, file), "utf8"));
    console.log(JSON.stringify(countedProfile(Array.isArray(events) ? events : [])));
  } finally {
    await rm(folder, { recursive: true });
  }
}

await main(process.argv[2] ?? "forward", Number(process.argv[3] ?? 2));
