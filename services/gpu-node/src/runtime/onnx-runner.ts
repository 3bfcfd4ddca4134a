import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { arch, cpus } from "node:os";
import { basename, dirname, join } from "node:path";
import { contentHash } from "@retake/checkpoint";
import {
  cutSegments,
  type LoweringOptions,
  lowerToOnnx,
  tileConvolutions,
  traceProgram,
} from "@retake/compile";
import { Code, RetakeError } from "@retake/errors";
import { createProgram, type Program, type ProgramSpec } from "@retake/model";
import { collectGarbage } from "@retake/wire/memory";
import * as ort from "onnxruntime-node";
import { blocksBackwardPass, withBlockedConvolutions } from "./blocked-convolutions.js";
import { compiledGraph, isTiled, weightBytesOf } from "./compiled-graph.js";
import { declaredInput } from "./declared-input.js";
import type { HostTensors, WeightLocations } from "./engine.js";
import { OnnxSegments } from "./onnx-segments.js";
import {
  hidesShapes,
  isForward,
  keepsOptimized,
  type OnnxEngineName,
  ortVersion,
  type SessionTerms,
  sessionOptions,
} from "./onnx-session.js";
import { hostTensors, ortTensor } from "./onnx-tensors.js";
import { instructionSets, openOptimized } from "./optimized-program.js";
import { ProgramCache } from "./program-cache.js";
import type { DeviceFinding, EngineOptions, Runner, RunnerProgram } from "./runner.js";

const require = createRequire(import.meta.url);

/** Digest of the code that turns specs into programs: part of the program cache's key. */
function compilerDigest(): string {
  const hash = createHash("sha256");
  for (const name of ["@retake/compile", "@retake/model"]) {
    const folder = dirname(require.resolve(name));
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
    for (const file of files.filter((path) => path.endsWith(".js")).sort()) {
      hash.update(file).update(readFileSync(join(folder, file)));
    }
  }
  return hash.digest("hex");
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** The files that hold a program's weights, each once, in the order of their names. */
function weightFiles(program: Program, weights: WeightLocations): readonly string[] {
  const files = new Set<string>();
  for (const { name } of program.weights) {
    const location = weights.get(name);
    if (location === undefined) {
      const message = `weights: expected ${name}, which the checkpoint does not have`;
      throw new RetakeError(Code.InvalidArgument, "tensor-missing", message);
    }
    if (location.dtype !== "F32") {
      const message = `${name}: expected float32 in ${location.file}, got ${location.dtype}`;
      throw new RetakeError(Code.InvalidArgument, "tensor-dtype", message);
    }
    files.add(location.file);
  }
  return [...files].sort();
}

/** The one folder that holds all files of weights, since an ONNX model can name only one. */
function folderOf(files: readonly string[]): string | undefined {
  const folders = [...new Set(files.map((file) => dirname(file)))];
  if (folders.length <= 1) return folders[0];
  const message = `weights: expected all files in one folder, got ${folders.join(" and ")}`;
  throw new RetakeError(Code.InvalidArgument, "checkpoint-incomplete", message);
}

interface EngineTerms {
  readonly name: OnnxEngineName;
  readonly attention: "fused" | "plain";
}

function compile(spec: ProgramSpec, engine: EngineTerms, weights: WeightLocations): Uint8Array {
  const options = loweringOptions(createProgram(spec), engine, weights);
  return lowerToOnnx(compiledGraph(spec, engine.name), options);
}

/** The terms of a whole program: its segments are lowered alike. */
function loweringOptions(
  program: Program,
  engine: EngineTerms,
  weights: WeightLocations,
): LoweringOptions {
  return {
    target: engine.name === "onnx-cpu" ? "cpu" : "gpu",
    attention: engine.attention,
    hidesShapes: hidesShapes(engine.name, weightBytesOf(program)),
    copiesWeights: blocksBackwardPass(engine.name, termsOf(program)),
    weights: (weight) => {
      const location = weights.get(weight);
      if (location === undefined) throw new Error(`compile: no location of ${weight}`);
      return { location: basename(location.file), offset: location.offset };
    },
  };
}

function termsOf(program: Program, folder?: string): SessionTerms {
  return { folder, weightBytes: weightBytesOf(program), isForward: isForward(program) };
}

/** Runs programs by ONNX Runtime, each as one session. */
export class OnnxRunner implements Runner {
  readonly numericsId: string;
  readonly #name: OnnxEngineName;
  readonly #options: EngineOptions;
  readonly #attention: "fused" | "plain";
  readonly #compiler = compilerDigest();

  constructor(name: OnnxEngineName, options: EngineOptions, device?: DeviceFinding) {
    this.#name = name;
    this.#options = options;
    this.#attention = device?.attention ?? "fused";
    const processor = device === undefined ? cpus()[0]?.model : device;
    const terms = [name, ortVersion, arch(), processor, options.threads, this.#compiler];
    this.numericsId = sha256(JSON.stringify(terms)).slice(0, 16);
  }

  async load(spec: ProgramSpec, weights: WeightLocations): Promise<RunnerProgram> {
    const program = createProgram(spec);
    const files = weightFiles(program, weights);
    const folder = folderOf(files);
    if (spec.kind === "unet" && spec.shard !== undefined) {
      return this.#loadSegments(program, weights, folder);
    }
    const model = await this.#compiled(spec, program, weights);
    const terms = termsOf(program, folder);
    const plain = sessionOptions(this.#name, this.#options, terms);
    const blocks = blocksBackwardPass(this.#name, terms);
    const options = blocks ? withBlockedConvolutions(plain) : plain;
    const session = keepsOptimized(this.#name, terms.weightBytes)
      ? await this.#openedAsOptimized(model, options, files)
      : await ort.InferenceSession.create(model, options);
    // What tracing left behind is of the size of a small model's activations.
    collectGarbage();
    return new OnnxProgram(program, session, options.enableProfiling === true);
  }

  /** Opens a program as it was optimized before, where that is known. */
  async #openedAsOptimized(
    model: Uint8Array,
    options: ort.InferenceSession.SessionOptions,
    weightFiles: readonly string[],
  ): Promise<ort.InferenceSession> {
    const { cacheDir, profileDir } = this.#options;
    const instructions = instructionSets();
    const isKept = cacheDir !== undefined && profileDir === undefined && instructions !== undefined;
    if (!isKept) return ort.InferenceSession.create(model, options);
    const terms = {
      ...{ model, options, machine: [ortVersion, arch(), instructions] },
      weightHashes: await Promise.all(weightFiles.map((file) => contentHash(file, { cacheDir }))),
    };
    return openOptimized(terms, join(cacheDir, "optimized"));
  }

  /** One rank's part of a program that exchanges with others: not cached, since it is cut anew. */
  async #loadSegments(
    program: Program,
    weights: WeightLocations,
    folder: string | undefined,
  ): Promise<RunnerProgram> {
    const engine = { name: this.#name, attention: this.#attention };
    const lowering = loweringOptions(program, engine, weights);
    const options = sessionOptions(this.#name, this.#options, termsOf(program, folder));
    const segmented = cutSegments(traceProgram(program));
    const sessions: (ort.InferenceSession | undefined)[] = [];
    const tiles = isTiled(program, this.#name);
    for (const { graph } of segmented.segments) {
      const isEmpty = graph.nodes.length === 0;
      const compiled = tiles ? tileConvolutions(graph) : graph;
      const model = isEmpty ? undefined : lowerToOnnx(compiled, lowering);
      sessions.push(model && (await ort.InferenceSession.create(model, options)));
    }
    collectGarbage();
    return new OnnxSegments(program, segmented, sessions);
  }

  /** The compiled program: from the cache where it lies there, else traced and put there. */
  async #compiled(
    spec: ProgramSpec,
    program: Program,
    weights: WeightLocations,
  ): Promise<Uint8Array> {
    const { cacheDir } = this.#options;
    const engine = { name: this.#name, attention: this.#attention };
    if (cacheDir === undefined) return compile(spec, engine, weights);
    const layout = program.weights.map(({ name }) => {
      const { file, offset } = weights.get(name) ?? { file: "", offset: 0 };
      return [name, basename(file), offset];
    });
    const key = sha256(JSON.stringify([this.#compiler, ortVersion, engine, spec, layout]));
    const cache = new ProgramCache(join(cacheDir, "programs"));
    const known = await cache.read(key);
    if (known !== undefined) return known;
    const compiled = compile(spec, engine, weights);
    await cache.write(key, compiled);
    return compiled;
  }

  async close(): Promise<void> {}
}

class OnnxProgram implements RunnerProgram {
  readonly #program: Program;
  readonly #session: ort.InferenceSession;
  readonly #isProfiled: boolean;

  constructor(program: Program, session: ort.InferenceSession, isProfiled: boolean) {
    this.#program = program;
    this.#session = session;
    this.#isProfiled = isProfiled;
  }

  async run(
    inputs: HostTensors,
    into: Readonly<Record<string, Float32Array>> = {},
  ): Promise<HostTensors> {
    const feeds: Record<string, ort.Tensor> = {};
    for (const spec of this.#program.inputs) {
      feeds[spec.name] = ortTensor(declaredInput(spec, inputs));
    }
    const results = await this.#session.run(feeds, this.#fetches(into));
    // What was written into the caller's array comes back as a copy besides: leave it.
    const given = Object.entries(results).filter(([name]) => into[name] === undefined);
    return hostTensors(Object.fromEntries(given));
  }

  /** Every output by name, with the caller's array where there is one. */
  #fetches(into: Readonly<Record<string, Float32Array>>): Record<string, ort.Tensor | null> {
    const shapes = new Map(this.#program.outputs.map(({ name, shape }) => [name, shape]));
    const fetches: Record<string, ort.Tensor | null> = {};
    for (const name of this.#session.outputNames) {
      const data = into[name];
      const shape = shapes.get(name);
      const given = data !== undefined && shape !== undefined;
      fetches[name] = given ? new ort.Tensor("float32", data, shape) : null;
    }
    return fetches;
  }

  async close(): Promise<void> {
    if (this.#isProfiled) this.#session.endProfiling();
    await this.#session.release();
  }
}
