import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { freePorts } from "@retake/coordinator/free-ports";
import { type Container, type Manifest, type Probe, workloadsOf } from "./manifest.js";
import { root } from "./render.js";

/** What the cluster would give a pod: variables of the pod, and other places for its paths. */
export interface PodPlaces {
  readonly variables: Readonly<Record<string, string>>;
  readonly paths: Readonly<Record<string, string>>;
  /** Of the process, beside those of its manifest: where its API server is. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The program of a container, run on this machine with the very arguments of its manifest. */
export interface PodProcess {
  /** What its Service, or its own address, is called by. */
  readonly grpcAddress: string;
  /** Asks what the kubelet would. */
  readonly probed: (name: "startupProbe" | "readinessProbe" | "livenessProbe") => Promise<boolean>;
  readonly log: () => string;
  /** Holds it up, as a machine that stalls would; gives how to let it go on. */
  readonly stall: () => () => void;
  /** SIGKILL, as when there is no memory left: it gives nothing back. */
  readonly kill: () => Promise<void>;
  /** SIGTERM, as when a pod is deleted. @returns  its exit code */
  readonly end: () => Promise<number | null>;
}

const probeMsMax = 2_000;

/** The arguments as the kubelet would give them, at ports and paths of this machine. */
function argumentsOf(
  { args = [], env = [], envFrom = [] }: Container,
  objects: readonly Manifest[],
  { places, ports }: { readonly places: PodPlaces; readonly ports: ReadonlyMap<string, number> },
): string[] {
  const maps = envFrom.map(({ configMapRef }) => configMapRef?.name);
  const settings = objects
    .filter(({ kind, metadata }) => kind === "ConfigMap" && maps.includes(metadata.name))
    .map(({ data }) => data ?? {});
  const own = env.map(({ name, value = "" }) => ({ [name]: value }));
  const variables = Object.assign({}, ...settings, ...own, places.variables);
  return args.map((arg) => {
    const filled = arg.replaceAll(/\$\((\w+)\)/g, (_, name: string) => variables[name] ?? "");
    const [flag = "", value = ""] = filled.split(/=(.*)/s);
    const port = ports.get(/:(\d+)$/.exec(value)?.[1] ?? "");
    if (!filled.includes("=")) return filled;
    const isOwn = /^--(listen|advertise|metrics)$/.test(flag);
    if (isOwn && port !== undefined) return `${flag}=127.0.0.1:${port}`;
    return `${flag}=${places.paths[value] ?? value}`;
  });
}

/** Starts a container's program; it may take a while until a probe finds it well. */
export async function startPod(
  name: "coordinator" | "gpu-node",
  objects: readonly Manifest[],
  places: PodPlaces,
): Promise<PodProcess> {
  const container = workloadsOf(objects)
    .flatMap(({ template }) => template.spec.containers)
    .find((each) => each.name === name);
  if (container === undefined) throw new Error(`${name}: expected it in the manifests`);
  const asked = container.ports ?? [];
  const free = await freePorts(asked.length);
  const ports = new Map(
    asked.map(({ containerPort }, index) => [`${containerPort}`, free[index] ?? 0]),
  );
  const main = join(root, `services/${name}/dist/main.js`);
  const args = argumentsOf(container, objects, { places, ports });
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...places.env },
  });
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  let log = "";
  child.stdout.on("data", (text) => {
    log += text;
  });
  const ended = once(child, "exit");
  const portOf = (asked: number | string): number => {
    const named = container.ports?.find((port) => port.name === asked)?.containerPort ?? asked;
    return ports.get(`${named}`) ?? 0;
  };
  return {
    grpcAddress: `127.0.0.1:${portOf("grpc")}`,
    probed: (probe) => answers(container[probe], portOf),
    log: () => log,
    stall: () => {
      child.kill("SIGSTOP");
      return () => void child.kill("SIGCONT");
    },
    kill: async () => {
      kill();
      await ended;
      process.off("exit", kill);
    },
    end: async () => {
      if (child.exitCode === null) child.kill("SIGTERM");
      // A test that failed may have left it held up.
      child.kill("SIGCONT");
      await ended;
      process.off("exit", kill);
      return child.exitCode;
    },
  };
}

async function answers(
  { httpGet }: Probe = {},
  portOf: (port: number | string) => number,
): Promise<boolean> {
  if (httpGet === undefined) return false;
  const url = `http://127.0.0.1:${portOf(httpGet.port)}${httpGet.path}`;
  const signal = AbortSignal.timeout(probeMsMax);
  return fetch(url, { signal }).then(
    ({ ok }) => ok,
    () => false,
  );
}
