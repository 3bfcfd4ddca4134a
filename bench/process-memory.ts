import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** A process's memory in bytes, as the kernel counts it. */
export interface ProcessMemory {
  readonly rss: number;
  /** As `rss`, each page divided by the number of processes that have it. */
  readonly pss: number;
  /** Pages that no other process has. */
  readonly private: number;
  /** Private pages that are in no file. */
  readonly anonymous: number;
}

const none: ProcessMemory = { rss: 0, pss: 0, private: 0, anonymous: 0 };

/** The value of `Name:  123 kB` in bytes; several are summed. */
function kilobytes(text: string, name: string): number {
  let sum = 0;
  for (const [, count] of text.matchAll(new RegExp(`^${name}:\\s+(\\d+) kB`, "gm"))) {
    sum += 1024 * Number(count);
  }
  return sum;
}

function memoryIn(text: string): ProcessMemory {
  return {
    rss: kilobytes(text, "Rss"),
    pss: kilobytes(text, "Pss"),
    private: kilobytes(text, "Private_Clean") + kilobytes(text, "Private_Dirty"),
    anonymous: kilobytes(text, "Anonymous"),
  };
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** A process's memory now; nothing if it has ended. */
export function memoryOf(pid: number): ProcessMemory {
  return memoryIn(readIfThere(`/proc/${pid}/smaps_rollup`));
}

/** What a process has mapped of the files whose path ends so. */
export function mappedMemoryOf(pid: number, pathEnd: string): ProcessMemory {
  const mappings = readIfThere(`/proc/${pid}/smaps`).split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const ours = mappings.filter((text) => text.split("\n", 1)[0]?.endsWith(pathEnd));
  return ours.map(memoryIn).reduce(added, none);
}

function added(a: ProcessMemory, b: ProcessMemory): ProcessMemory {
  return {
    rss: a.rss + b.rss,
    pss: a.pss + b.pss,
    private: a.private + b.private,
    anonymous: a.anonymous + b.anonymous,
  };
}

/** Private pages of this process that are in no file: a counter, so that reading it is cheap. */
export function ownAnonymous(): number {
  return kilobytes(readIfThere("/proc/self/status"), "RssAnon");
}

/** The most memory that this process had since its start or `resetOwnPeakRss`, by the kernel. */
export function ownPeakRss(): number {
  return kilobytes(readIfThere("/proc/self/status"), "VmHWM");
}

/** Lets the kernel count this process's peak from now on. */
export function resetOwnPeakRss(): void {
  writeFileSync("/proc/self/clear_refs", "5");
}

function childrenOf(pid: number): number[] {
  const listed = readIfThere(`/proc/${pid}/task/${pid}/children`);
  return listed.split(" ").filter(Boolean).map(Number);
}

function treeOf(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(treeOf)];
}

export interface PeakMemory {
  /** The most that was seen, of a process and its children. */
  readonly pss: number;
  /** What was in no file at that moment: activations, copies, the program's own. */
  readonly anonymous: number;
  /** The process's own high-water mark by the kernel, which misses nothing between samples. */
  readonly rssHighWater: number;
  readonly samples: number;
}

/** Watches the memory of a process and its children until it is stopped. */
export function watchPeak(
  pid: number,
  { intervalMs }: { readonly intervalMs: number },
): () => Promise<PeakMemory> {
  let isOn = true;
  let peak: PeakMemory = { pss: 0, anonymous: 0, rssHighWater: 0, samples: 0 };
  const watching = (async () => {
    while (isOn) {
      const now = treeOf(pid).map(memoryOf).reduce(added, none);
      const { pss, anonymous } = now.pss > peak.pss ? now : peak;
      const highWater = kilobytes(readIfThere(`/proc/${pid}/status`), "VmHWM");
      peak = {
        ...{ pss, anonymous },
        rssHighWater: Math.max(peak.rssHighWater, highWater),
        samples: peak.samples + 1,
      };
      await sleep(intervalMs);
    }
  })();
  return async () => {
    isOn = false;
    await watching;
    return peak;
  };
}
