import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/temporary-folder.js";
import { SupervisedProcess } from "./supervised-process.js";

const script = `
console.log("no json");
console.log(JSON.stringify({ msg: "listening", pid: process.pid }));
setInterval(() => {}, 1000);
`;

async function supervised(text: string, { mayLeave = false } = {}) {
  const folder = await temporaryFolder();
  const path = join(folder, "program.mjs");
  await writeFile(path, text);
  const pids: number[] = [];
  const ends: string[] = [];
  let onEnd = (): void => {};
  const ended = new Promise<void>((resolve) => {
    onEnd = resolve;
  });
  let onPid = (): void => {};
  const said = (count: number): Promise<void> =>
    new Promise((resolve) => {
      onPid = () => pids.length >= count && resolve();
      onPid();
    });
  const process_ = new SupervisedProcess({
    ...{ name: "program", args: () => [path], logPath: join(folder, "log") },
    onLine: ({ pid }) => {
      pids.push(Number(pid));
      onPid();
    },
    onEnd: (reason) => {
      ends.push(reason);
      onEnd();
    },
    ...{ nowMs: () => performance.now(), mayLeave },
  });
  return { process: process_, pids, ends, ended, said, folder };
}

describe("SupervisedProcess", () => {
  it("starts again what was killed, and ends what it is told to end", async () => {
    const { process: program, pids, ends, said, folder } = await supervised(script);
    await program.start(said(1));
    expect(program.pid).toBe(pids[0]);
    process.kill(program.pid, "SIGKILL");
    await said(2);
    expect(pids[1]).not.toBe(pids[0]);
    expect(ends).toEqual(["program has ended (SIGKILL); it is started again"]);
    await program.stop("SIGTERM");
    expect(() => process.kill(pids[1] ?? 0, 0)).toThrow();
    expect(await readFile(join(folder, "log"), "utf8")).toContain("no json");
  });

  it("lets go of one that may leave, but only if it ends well", async () => {
    const text = `
      const open = setInterval(() => {}, 1000);
      process.once("SIGTERM", () => clearInterval(open));
      console.log(JSON.stringify({ msg: "listening", pid: process.pid }));`;
    const {
      process: program,
      pids,
      ends,
      ended,
      said,
    } = await supervised(text, {
      mayLeave: true,
    });
    await program.start(said(1));
    process.kill(program.pid, "SIGTERM");
    await ended;
    expect(ends).toEqual(["program has handed over and left; it is not started again"]);
    await program.stop("SIGTERM");
    expect(pids).toHaveLength(1);

    const other = await supervised(text, { mayLeave: true });
    await other.process.start(other.said(1));
    process.kill(other.process.pid, "SIGKILL");
    await other.said(2);
    expect(other.ends).toEqual(["program has ended (SIGKILL); it is started again"]);
    await other.process.stop("SIGKILL");
  });

  it("says what it said when it cannot start", async () => {
    const { process: program } = await supervised('console.error("no port"); process.exit(3);');
    const never = new Promise<void>(() => {});
    await expect(program.start(never)).rejects.toThrow(/its end \(exit code 3\): no port/);
    await program.stop("SIGTERM");
  });
});
