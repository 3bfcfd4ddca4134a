import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  chmod,
  chown,
  cp,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { createInterface } from "node:readline";
import { isSent, parseDockerfile, partsOfCopy, rulesOf, type Stage } from "./dockerfile.js";
import { root } from "./render.js";

const services = ["coordinator", "gpu-node"] as const;
const waitMsMax = 120_000;
const userNumber = 10_001;

/** What needs the image's own system: no build of JavaScript is among it. */
const isOfSystem = (command: string): boolean => /^(apt-get|rm -rf \/)/.test(command);

interface Trial {
  readonly folder: string;
  readonly rules: readonly string[];
}

/** Runs a command with an environment that has nothing of this session's packages. */
async function run(command: string, cwd: string): Promise<void> {
  console.log(`  ${command}`);
  const env = { PATH: process.env.PATH ?? "", HOME: cwd };
  const child = spawn("/bin/sh", ["-c", command], { cwd, env, stdio: ["ignore", "ignore", 2] });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`${command}: expected it to end well, got exit code ${code}`);
}

/** Does what a stage says, in a folder of its own in place of the image's root. */
async function tryStage(stage: Stage, name: string, { folder, rules }: Trial): Promise<void> {
  let workFolder = join(folder, name);
  for (const { name: instruction, text } of stage.instructions) {
    if (instruction === "WORKDIR") workFolder = join(folder, name, text);
    await mkdir(workFolder, { recursive: true });
    if (instruction === "RUN" && isOfSystem(text)) console.log(`  not tried here: ${text}`);
    else if (instruction === "RUN") await run(text, workFolder);
    if (instruction !== "COPY") continue;
    const { from, sources, target } = partsOfCopy(text);
    for (const source of sources) {
      const isWhole = target === "./" || sources.length > 1;
      const place = join(workFolder, isWhole ? join(target, source) : target);
      await mkdir(dirname(place), { recursive: true });
      const path = from === undefined ? join(root, source) : join(folder, from, source);
      const filter = (each: string) => from !== undefined || isSent(relative(root, each), rules);
      await cp(path, place, { recursive: true, filter, verbatimSymlinks: true });
    }
  }
}

/** The command of the last stage, without the program that only passes signals on. */
function startOf(stages: readonly Stage[]): readonly string[] {
  const entry = stages.at(-1)?.instructions.find(({ name }) => name === "ENTRYPOINT")?.text ?? "";
  const words: readonly string[] = JSON.parse(entry);
  return words.slice(words.indexOf("--") + 1);
}

interface Process {
  readonly line: (isIt: (line: string) => boolean) => Promise<string>;
  readonly stop: () => Promise<number | null>;
}

/** The user of the images, who may write nowhere among the program's files; only root can be so. */
function userOf(): { readonly uid?: number; readonly gid?: number } {
  return process.getuid?.() === 0 ? { uid: userNumber, gid: userNumber } : {};
}

/** A folder that the images' user may write to: a volume. */
async function makeVolume(path: string): Promise<string> {
  await mkdir(path);
  const { uid, gid } = userOf();
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
  return path;
}

function start(words: readonly string[], cwd: string): Process {
  const [program = "", ...args] = words;
  const env = { PATH: process.env.PATH ?? "", HOME: "/tmp", NODE_ENV: "production" };
  const path = program === "node" ? process.execPath : program;
  const child = spawn(path, args, { cwd, env, stdio: ["ignore", "pipe", "inherit"], ...userOf() });
  const lines: string[] = [];
  const listeners = new Set<() => void>();
  createInterface(child.stdout).on("line", (line) => {
    lines.push(line);
    for (const listener of listeners) listener();
  });
  const ended = once(child, "exit");
  const line = (isIt: (line: string) => boolean): Promise<string> =>
    new Promise((resolve, reject) => {
      const give = (): void => {
        const found = lines.find(isIt);
        if (found !== undefined) resolve(found);
      };
      const told = () => `${words.join(" ")}: it did not say so; ${lines.slice(-5).join("\n")}`;
      listeners.add(give);
      give();
      setTimeout(() => reject(new Error(`too late: ${told()}`)), waitMsMax).unref();
      void ended.then(() => reject(new Error(told())));
    });
  return {
    line,
    stop: async () => {
      if (child.exitCode === null) child.kill("SIGTERM");
      await ended;
      return child.exitCode;
    },
  };
}

/** A coordinator and a node from the two folders: the node joins, hands over, and both end well. */
async function tryTogether(starts: ReadonlyMap<string, readonly string[]>, folder: string) {
  const token = "of-this-trial";
  const digest = createHash("sha256").update(token).digest("hex");
  await writeFile(join(folder, "tokens"), `cluster ${digest}\n`);
  await writeFile(join(folder, "token"), token);
  const artifacts = await makeVolume(join(folder, "artifacts"));
  const cache = await makeVolume(join(folder, "cache"));
  const at = (service: string) => join(folder, service, "app");
  const listening = (line: string) => line.includes('"msg":"listening"');
  const coordinator = start(
    [
      ...(starts.get("coordinator") ?? []),
      ...["--listen=127.0.0.1:0", `--store-folder=${artifacts}`],
      ...[`--tokens=${join(folder, "tokens")}`, "--metrics=127.0.0.1:0"],
    ],
    at("coordinator"),
  );
  let node: Process | undefined;
  try {
    const said: { address: string } = JSON.parse(await coordinator.line(listening));
    node = start(
      [
        ...(starts.get("gpu-node") ?? []),
        ...[`--coordinator=${said.address}`, "--node-id=gpu-node-0", "--model=models/demo"],
        ...["--engine=onnx-cpu", "--threads=1", "--listen=127.0.0.1:0"],
        ...[`--cache=${cache}`, `--token-file=${join(folder, "token")}`],
        "--metrics=127.0.0.1:0",
      ],
      at("gpu-node"),
    );
    await node.line(listening);
    const joined = await node.line((line) => line.includes('"reason":"joined for '));
    console.log(`  ${joined}`);
  } finally {
    const codes = [await node?.stop(), await coordinator.stop()];
    console.log(`  node and coordinator ended with ${codes.join(" and ")}`);
    if (codes.some((code) => code !== 0)) process.exitCode = 1;
  }
}

/**
 * Does what the Dockerfiles say, without an engine: in clean folders, with the same files and the
 * same commands, apart from those for the system's packages; then starts what was made.
 *
 * @param args  `--keep` leaves the folders
 */
export async function tryImages(args: readonly string[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "retake-images-"));
  await chmod(folder, 0o755);
  const rules = rulesOf(await readFile(join(root, ".dockerignore"), "utf8"));
  const starts = new Map<string, readonly string[]>();
  try {
    for (const service of services) {
      const path = `deploy/images/${service}.Dockerfile`;
      console.log(path);
      const stages = parseDockerfile(await readFile(join(root, path), "utf8"));
      const trial = { folder: join(folder, `${service}-stages`), rules };
      for (const stage of stages) await tryStage(stage, stage.name ?? "image", trial);
      await symlink(join(trial.folder, "image"), join(folder, service));
      starts.set(service, startOf(stages));
    }
    console.log("coordinator --help");
    const help = start(
      [...(starts.get("coordinator") ?? []), "--help"],
      join(folder, "coordinator/app"),
    );
    console.log(`  ${await help.line((line) => line.includes("--listen"))}`);
    console.log("coordinator and gpu-node");
    await tryTogether(starts, folder);
    console.log(`${services.length} of ${services.length} images tried`);
  } finally {
    if (args.includes("--keep")) console.log(folder);
    else await rm(folder, { recursive: true, force: true });
  }
}
