import { type ChildProcess, fork } from "node:child_process";
import { createRequire } from "node:module";
import { Code, RetakeError } from "@retake/errors";
import type { ProbeAnswer } from "./device-probe.js";
import type { EngineName } from "./engine.js";
import type { DeviceFinding } from "./runner.js";
import { whyUnavailable } from "./unavailable.js";

/** How long a driver may take to compile its first kernels. */
const probeDurationMaxMs = 60_000;
/** What is kept of what the libraries say. */
const saidCharactersMax = 64 * 1024;

/** The probe's entry is always the built one, also when tests run the sources. */
const probePath = createRequire(import.meta.url).resolve("@retake/gpu-node/device-probe");

/** How the other process ended, in words, if it ended without an answer. */
function ending(code: number | null, signal: NodeJS.Signals | null): string {
  if (signal === "SIGKILL") return `no answer within ${probeDurationMaxMs / 1000} s`;
  return `its libraries ended the process with ${signal ?? code}`;
}

/** What the other process found. @throws RetakeError  `engine-unavailable` */
function findingOf(name: EngineName, child: ChildProcess): Promise<DeviceFinding> {
  return new Promise((resolve, reject) => {
    let said = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-saidCharactersMax);
    });
    let answer: ProbeAnswer | undefined;
    child.on("message", (message) => {
      answer = message as ProbeAnswer;
    });
    const fail = (message: string): void => {
      const reason = `${name}: ${whyUnavailable(name, { said, message })}`;
      reject(new RetakeError(Code.FailedPrecondition, "engine-unavailable", reason));
    };
    child.on("error", (error) => fail(error.message));
    // `close`, not `exit`: only then has stderr been read to its end.
    child.on("close", (code, signal) => {
      if (answer?.ok === true) resolve(answer.device);
      else fail(answer?.message ?? ending(code, signal));
    });
  });
}

function probeDevice(name: EngineName): Promise<DeviceFinding> {
  const child = fork(probePath, [], {
    execArgv: [],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    timeout: probeDurationMaxMs,
    killSignal: "SIGKILL",
  });
  const finding = findingOf(name, child);
  child.send(name, () => undefined);
  return finding;
}

const probed = new Map<EngineName, Promise<DeviceFinding>>();

/**
 * What is known about the GPU that an engine will run on; undefined for engines that need none.
 *
 * The GPU is tried once per process, in another one, which a broken driver may end without harm:
 * whether the engine starts, and whether the kernel is right that drivers are known to get wrong.
 *
 * @throws RetakeError  `engine-unavailable`, saying what is missing and how to get it
 */
export async function findDevice(name: EngineName): Promise<DeviceFinding | undefined> {
  if (name !== "onnx-webgpu" && name !== "onnx-cuda") return undefined;
  const probing = probed.get(name) ?? probeDevice(name);
  probed.set(name, probing);
  return probing;
}
