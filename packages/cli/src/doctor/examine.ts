import { availableParallelism, cpus, totalmem } from "node:os";
import { findPrograms, type ProgramStatus } from "@retake/coordinator";
import { engineNames } from "@retake/gpu-node";
import { cacheEntries } from "../cache/cache-entries.js";
import { cacheFolder, makeCacheFolder } from "../cache/cache-folder.js";
import type { Environment } from "../environment.js";
import { runVersions } from "../pipeline/versions.js";
import { byteText } from "../text/byte-text.js";
import { type EngineHealth, engineHealth } from "./engine-health.js";

/** What this machine can do. */
export interface Examination {
  /** Whether an edit can be made here. */
  readonly ready: boolean;
  readonly versions: Readonly<Record<string, string>>;
  readonly processor: { readonly model: string; readonly threads: number };
  readonly memory: { readonly totalBytes: number; readonly availableBytes: number };
  readonly programs: { readonly ffmpeg: ProgramStatus; readonly ffprobe: ProgramStatus };
  /** Whether ffmpeg can write h264. */
  readonly writesH264: boolean;
  readonly engines: readonly EngineHealth[];
  readonly cache: {
    readonly folder: string;
    readonly bytes: number;
    readonly problem: string | null;
  };
}

/** Looks at everything that an edit needs. */
export async function examine(environment: Environment): Promise<Examination> {
  const { ffmpeg, ffprobe, writesH264 } = await findPrograms();
  const engines: EngineHealth[] = [];
  for (const name of engineNames) engines.push(await engineHealth(name, environment.signal));
  const folder = cacheFolder(environment.env);
  const problem = await makeCacheFolder(folder).then(
    () => null,
    (thrown: unknown) => (thrown instanceof Error ? thrown.message : String(thrown)),
  );
  const bytes = (await cacheEntries(folder)).reduce((sum, entry) => sum + entry.bytes, 0);
  const hasEngine = engines.some(({ name, works }) => name === "onnx-cpu" && works);
  const hasVideo = ffmpeg.found && ffprobe.found && writesH264 === true;
  return {
    ready: hasEngine && hasVideo && problem === null,
    versions: await runVersions(),
    processor: { model: cpus()[0]?.model ?? "unknown", threads: availableParallelism() },
    memory: { totalBytes: totalmem(), availableBytes: process.availableMemory() },
    programs: { ffmpeg, ffprobe },
    writesH264: writesH264 === true,
    engines,
    cache: { folder, bytes, problem },
  };
}

/** An examination as a page. */
export function examinationText(found: Examination): string {
  const { versions, processor, memory, programs, engines, cache } = found;
  const mark = (ok: boolean): string => (ok ? "ok     " : "missing");
  const program = (name: "ffmpeg" | "ffprobe"): string => {
    const status = programs[name];
    const said = status.found ? `${name}: ${status.version}, ${status.path}` : status.reason;
    return `${mark(status.found)}  ${said}`;
  };
  const engine = ({ name, works, reason, numericsId }: EngineHealth): string =>
    `${mark(works)}  ${name}: ${works ? `numerics ${numericsId}` : reason}`;
  const h264 = `h264${found.writesH264 ? "" : ": expected an ffmpeg with libx264; install one"}`;
  const folder = `cache: ${byteText(cache.bytes)} in ${cache.folder}`;
  return [
    `retake ${versions.retake}, node ${versions.node}, ${versions.platform}`,
    `${processor.model}, ${processor.threads} threads`,
    `memory: ${byteText(memory.availableBytes)} of ${byteText(memory.totalBytes)} free`,
    ...[program("ffmpeg"), program("ffprobe"), `${mark(found.writesH264)}  ${h264}`],
    ...engines.map(engine),
    `${mark(cache.problem === null)}  ${cache.problem ?? folder}`,
    found.ready ? "ready: retake demo" : "not ready: see above",
  ].join("\n");
}
