import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { freePorts } from "@retake/coordinator/free-ports";
import { natsProgram } from "../e2e/nats-process.js";
import { type Manifest, workloadsOf } from "./manifest.js";

/** A server of the StatefulSet, run on this machine with the command and files of its manifest. */
export interface NatsPod {
  readonly name: string;
  /** As `NATS_URL` has it. */
  readonly url: string;
  readonly isReady: () => Promise<boolean>;
  /** What its monitoring port tells: `/routez`. */
  readonly told: (path: string) => Promise<Record<string, unknown>>;
  readonly log: () => string;
  readonly end: () => Promise<void>;
}

export interface NatsPorts {
  readonly client: number;
  readonly route: number;
  readonly monitor: number;
}

export interface NatsPlaces {
  readonly name: string;
  readonly folder: string;
  readonly tlsFolder: string;
  readonly ports: NatsPorts;
  /** Of the servers that the manifests name, in their order. */
  readonly routePorts: readonly number[];
}

export async function freeNatsPorts(count: number): Promise<readonly NatsPorts[]> {
  const free = await freePorts(3 * count);
  return Array.from({ length: count }, (_, at) => {
    const [client = 0, route = 0, monitor = 0] = free.slice(3 * at, 3 * at + 3);
    return { client, route, monitor };
  });
}

/** Starts a server at ports and paths of this machine; `localhost` stands for the routes' names. */
export async function startNatsPod(
  objects: readonly Manifest[],
  { name, folder, tlsFolder, ports, routePorts }: NatsPlaces,
): Promise<NatsPod> {
  const [container] = workloadsOf(objects)
    .flatMap(({ template }) => template.spec.containers)
    .filter((each) => each.name === "nats");
  const files = objects.find(({ metadata }) => metadata.name.startsWith("nats-config-"))?.data;
  if (container === undefined || files === undefined) {
    throw new Error("nats: expected a container and its configuration in the manifests");
  }
  const { client, route, monitor } = ports;
  const here = (text: string): string =>
    text
      .replaceAll("/etc/nats-tls", tlsFolder)
      .replaceAll("/etc/nats/", `${folder}/`)
      .replace("/run/nats", folder)
      .replace('"/data"', `"${folder}"`)
      .replace("0.0.0.0:4222", `127.0.0.1:${client}`)
      .replace("0.0.0.0:6222", `127.0.0.1:${route}`)
      .replace("0.0.0.0:8222", `127.0.0.1:${monitor}`)
      .replaceAll(
        /nats-(\d)\.nats:6222/g,
        (_, at: string) => `localhost:${routePorts[Number(at)]}`,
      );
  await mkdir(folder, { recursive: true });
  for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), here(text));
  const [program = "", ...args] = [...(container.command ?? []), ...(container.args ?? [])].map(
    here,
  );
  const path = `${dirname(await natsProgram())}${delimiter}${process.env["PATH"]}`;
  const env = { ...process.env, PATH: path, POD_NAME: name };
  // A group of its own: what a shell began beside the server ends with it, as in a container.
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"], env, detached: true });
  const kill = (): void => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
  };
  process.once("exit", kill);
  const ended = once(child, "exit");
  let log = "";
  child.stderr.on("data", (text) => {
    log += text;
  });
  const at = `http://127.0.0.1:${monitor}`;
  const probe = container.readinessProbe?.httpGet?.path ?? "";
  return {
    ...{ name, url: `nats://127.0.0.1:${client}`, log: () => log },
    isReady: () =>
      fetch(`${at}${probe}`).then(
        ({ ok }) => ok,
        () => false,
      ),
    told: async (asked) => Object(await (await fetch(`${at}${asked}`)).json()),
    end: async () => {
      process.off("exit", kill);
      kill();
      await ended;
    },
  };
}
