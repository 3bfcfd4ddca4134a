/**
 * `npm run bench:verify`: runs programs on ONNX Runtime and, without any compiler, on plain
 * TensorFlow.js, which shares no kernel with it, and compares every output.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  createEngine,
  type Engine,
  type EngineName,
  engineNames,
  type HostTensors,
  type ModelFiles,
  openModelFiles,
} from "@retake/gpu-node";
import { relativeError, worstOf } from "../test/golden/comparison.js";
import { openGoldenFolder } from "../test/golden/golden-folder.js";
import { withProgram } from "../test/golden/golden-model.js";
import { cacheDir, rootDir, tinyCheckpoint } from "./places.js";
import { programInputs } from "./program-inputs.js";
import { publishReport, type Row, runBench } from "./report.js";
import { type VerifyCase, verifyCases } from "./verify-cases.js";

const usage = `npm run bench:verify -- [options]
  --engine NAME  what is verified (default onnx-cpu)
  --case PATTERN only cases whose name matches
  --threads N    default 2
  --record       write the table to bench/RESULTS.md`;

/**
 * Its gradient is zero: with one channel a group, the normalisation that follows takes the bias
 * away again. What is computed is rounding.
 */
const cancelled = "grad/up_blocks.3.attentions.2.transformer_blocks.0.attn_temp.to_out.0.bias";

/** Tolerances of the golden data, by the kind of program. */
const quantities = {
  module: { group: "modules", output: /^module outputs/, gradient: /^module gradients/ },
  unet: { group: "unet", output: /^UNet output/, gradient: /^UNet output/ },
  "unet-gradients": { group: "tune", output: /^loss/, gradient: /^gradients/ },
} as const;

interface Differences {
  readonly output: readonly (readonly [string, number])[];
  readonly gradient: readonly (readonly [string, number])[];
}

/** The largest difference of each output, as a share of the reference's largest value. */
function differencesOf(found: HostTensors, reference: HostTensors): Differences {
  const isGradient = (name: string): boolean => name.startsWith("grad");
  const names = Object.keys(reference).filter((name) => name !== cancelled);
  const all = names.map((name): readonly [string, number] => {
    const none = new Float32Array();
    return [name, relativeError(found[name]?.data ?? none, reference[name]?.data ?? none)];
  });
  return {
    output: all.filter(([name]) => !isGradient(name)),
    gradient: all.filter(([name]) => isGradient(name)),
  };
}

interface Engines {
  readonly verified: Engine;
  readonly oracle: Engine;
}

type Tolerance = (spec: VerifyCase["spec"], part: keyof Differences) => number;

async function caseRows(
  { name, spec }: VerifyCase,
  context: Engines & { readonly files: ModelFiles; readonly toleranceOf: Tolerance },
): Promise<Row[]> {
  const { verified, oracle, files, toleranceOf } = context;
  const inputs = await programInputs(files, spec);
  const program = { spec, weights: files.weights.unet };
  const found = await withProgram(verified, program, (run) => run(inputs));
  const reference = await withProgram(oracle, program, (run) => run(inputs));
  const differences = differencesOf(found, reference);
  return (["output", "gradient"] as const).flatMap((part): Row[] => {
    const errors = differences[part];
    if (errors.length === 0) return [];
    const { name: worst, error } = worstOf(errors);
    const tolerance = toleranceOf(spec, part);
    const told = [error.toExponential(1), tolerance.toExponential(0)];
    const cells = [name, `worst of ${errors.length}: ${worst}`, ...told];
    return [{ cells, isMet: error <= tolerance }];
  });
}

async function goldenTolerances(): Promise<Tolerance> {
  const folder = await openGoldenFolder(join(rootDir, "test/golden/data"));
  return ({ kind }, part) => {
    const known = kind === "module" || kind === "unet" || kind === "unet-gradients";
    const { group, [part]: quantity } = quantities[known ? kind : "unet"];
    return folder.tolerance(group, quantity)?.tolerance ?? 0;
  };
}

function engineName(text: string): EngineName {
  const found = engineNames.find((name) => name === text);
  if (found === undefined) throw new Error(`--engine: there is no engine ${text}`);
  return found;
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      engine: { type: "string", default: "onnx-cpu" },
      case: { type: "string", default: "" },
      threads: { type: "string", default: "2" },
      record: { type: "boolean", default: false },
    },
  });
  const options = { threads: Number(values.threads), cacheDir };
  const files = await openModelFiles({ source: tinyCheckpoint, cacheDir });
  const verified = await createEngine(engineName(values.engine), options);
  const oracle = await createEngine("tfjs", options);
  const context = { verified, oracle, files, toleranceOf: await goldenTolerances() };
  const wanted = new RegExp(values.case);
  const rows: Row[] = [];
  for (const each of verifyCases(files.unetConfig).filter(({ name }) => wanted.test(name))) {
    rows.push(...(await caseRows(each, context)));
    console.error(`${each.name}: done`);
  }
  for (const engine of [verified, oracle]) await engine.close();
  const notes = [
    `${values.engine} (${verified.numericsId}) against ${oracle.numericsId}; random input, the ` +
      "golden checkpoint. Errors are shares of the largest value of the same output.",
    "Tolerances are those of the golden data. One gradient of 112 is zero, and not compared.",
  ];
  const columns = ["program", "output", "error", "tolerance"];
  return publishReport({ title: "bench:verify", columns, rows, notes }, values);
}

await runBench(main, usage);
