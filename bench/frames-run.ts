/**
 * One rank of passes whose frames several processes share, or, alone, of whole passes.
 * `bench:frames` starts it: it says its port, reads the ports of all, measures the link, then on
 * each line runs as many passes as the line says, and answers with their seconds.
 */
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { cutSegments, exchangedBytes, traceProgram } from "@retake/compile";
import {
  createEngine,
  type Model,
  openModel,
  openModelFiles,
  startTensors,
} from "@retake/gpu-node";
import {
  openGroup,
  predict,
  predictFrames,
  preparedFrames,
  sendOutgoing,
} from "@retake/gpu-node/frames";
import { createProgram, type UNetSpec } from "@retake/model";
import type { FrameShard } from "@retake/model/frames";
import { handleServerStream, type StreamContext, serverOptions } from "@retake/wire";
import { prepareMemory } from "@retake/wire/memory";
import {
  PeerServiceService,
  type PullActivationsRequest,
  type PullActivationsResponse,
} from "@retake/wire/peer";
import { cacheDir, rootDir, tinyCheckpoint } from "./places.js";
import { openSdSize } from "./sd-size.js";
import { passSpec, randomLatents, randomPrompt } from "./sd-size-pass.js";

const seed = 33;
const none = new AbortController().signal;
type Group = ReturnType<typeof openGroup>;

interface Options {
  readonly shard: FrameShard;
  readonly frames: number;
  readonly side: number;
}

async function openFiles(name: string) {
  if (name === "sd") return openSdSize();
  const source = name === "tiny" ? tinyCheckpoint : `${rootDir}/models/demo`;
  return openModelFiles({ source, cacheDir });
}

function say(value: object): void {
  console.log(JSON.stringify(value));
}

/** Serves what this rank gives; the others find it by the port that is said. */
async function serve(find: () => Group | undefined): Promise<Server> {
  const server = new Server(serverOptions);
  const pull = async (
    { rank }: PullActivationsRequest,
    stream: StreamContext<PullActivationsResponse>,
  ): Promise<void> => {
    const group = find();
    if (group === undefined) throw new Error("the group is not open yet");
    await sendOutgoing(group, rank, stream);
  };
  const { pullActivations: definition } = PeerServiceService;
  const pullActivations = handleServerStream(pull, { subject: "pull" });
  server.addService({ pullActivations: definition }, { pullActivations });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  say({ port });
  return server;
}

/** Milliseconds of a round with little in it, and bytes per second of rounds with much. */
async function linkOf(group: Group): Promise<{ roundTripMs: number; bytesPerSecond: number }> {
  const { rank, frameCounts } = group.shard;
  const round = async (values: number, exchange: ReturnType<Group["exchanger"]>) => {
    const other = (_: number, at: number): number => (at === rank ? 0 : values);
    const lengths = frameCounts.map(other);
    const began = performance.now();
    await exchange({ sends: lengths.map((length) => new Float32Array(length)), lengths });
    return performance.now() - began;
  };
  const small = group.exchanger(0);
  const times: number[] = [];
  for (let i = 0; i < 200; i += 1) times.push(await round(1, small));
  const large = group.exchanger(1);
  const values = 2 ** 20;
  let fastestMs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 12; i += 1) fastestMs = Math.min(fastestMs, await round(values, large));
  const median = times.toSorted((a, b) => a - b)[times.length / 2] ?? 0;
  return { roundTripMs: median, bytesPerSecond: (4000 * values) / fastestMs };
}

/** Measures while something is done again and again. */
async function during<Value>(work: () => Promise<unknown>, measure: () => Promise<Value>) {
  let isOver = false;
  const working = async (): Promise<void> => {
    while (!isOver) await work();
  };
  const worked = working();
  const value = await measure();
  isOver = true;
  await worked;
  return value;
}

/** What crosses in a pass, by the plan that the engine runs. */
function crossing(spec: UNetSpec) {
  const plan = cutSegments(traceProgram(createProgram(spec)));
  const waits = plan.segments.filter(({ exchange }) =>
    exchange?.receives.some((parts) => parts.length > 0),
  ).length;
  return { bytes: exchangedBytes(plan), waits, segments: plan.segments.length };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rank: { type: "string", default: "0" },
      counts: { type: "string", default: "" },
      frames: { type: "string", default: "8" },
      size: { type: "string", default: "32" },
      model: { type: "string", default: "demo" },
    },
  });
  const frameCounts = values.counts === "" ? [] : values.counts.split(",").map(Number);
  const shard = { rank: Number(values.rank), frameCounts };
  // As a node does when it starts.
  prepareMemory();
  const options = { shard, frames: Number(values.frames), side: Number(values.size) };
  const engine = await createEngine("onnx-cpu", { threads: 1, cacheDir });
  const model = openModel(await openFiles(values.model), engine);
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const pass = await openPass(model, options, lines);
  for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
    const seconds: number[] = [];
    for (let i = 0; i < Number(line.value); i += 1) {
      const began = performance.now();
      await pass.run();
      seconds.push((performance.now() - began) / 1000);
    }
    say({ seconds, rss: 1024 * process.resourceUsage().maxRSS });
  }
  pass.close();
  await engine.close();
}

/** A pass that is ready to run: whole, or this rank's part of it. */
async function openPass(
  model: Model,
  { shard, frames, side }: Options,
  lines: AsyncIterator<string>,
) {
  const size = { frames, side };
  const latents = randomLatents(model.files, size);
  const prompts = [randomPrompt(model.files)];
  const tensors = () => startTensors(model.files, { seed, temporalStart: "authors" });
  const spec = passSpec(model.files, "forward", size);
  if (spec.kind !== "unet") throw new Error("expected a forward pass");
  const whole = (): Promise<unknown> =>
    predict(model, { latents, timestep: 500, passes: [prompts], tensors }, {});
  if (shard.frameCounts.length === 0) {
    say({ ready: true });
    return { run: whole, close: () => {} };
  }
  let group: Group | undefined;
  const server = await serve(() => group);
  const ports = String((await lines.next()).value);
  const addresses = ports.split(" ").map((port) => `127.0.0.1:${port}`);
  const members = addresses.map((address, at) => ({ address, frames: shard.frameCounts[at] ?? 0 }));
  const terms = { groupId: "bench", epoch: 1, shard, members, jobKey: new Uint8Array(32) };
  const opened = openGroup(terms, { signal: none });
  group = opened;
  await preparedFrames(model, { latents, prompts, shard, tensors });
  await whole();
  // As nodes measure theirs: by heartbeats, while they compute.
  const link = await during(whole, () => linkOf(opened));
  say({ ...link, ...crossing({ ...spec, shard }) });
  let passes = 1;
  return {
    run: () => {
      passes += 1;
      const terms = { latents, timestep: 500, prompts, tensors, shard };
      return predictFrames(model, { ...terms, exchange: opened.exchanger(passes) }, {});
    },
    close: () => server.forceShutdown(),
  };
}

await main();
