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

async function supervised(text: string) {
  const folder = await temporaryFolder();
  const path = join(folder, "program.mjs");
  await writeFile(path, text);
  const pids: number[] = [];
  const restarts: string[] = [];
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
    onRestart: (reason) => restarts.push(reason),
    nowMs: () => performance.now(),
  });
  return { process: process_, pids, restarts, said, folder };
}

describe("SupervisedProcess", () => {
  it("starts again what was killed, and ends what it is told to end", async () => {
    const { process: program, pids, restarts, said, folder } = await supervised(script);
    await program.start(said(1));
    expect(program.pid).toBe(pids[0]);
    process.kill(program.pid, "SIGKILL");
    await said(2);
    expect(pids[1]).not.toBe(pids[0]);
    expect(restarts).toEqual(["program has ended (SIGKILL); it is started again"]);
    await program.stop("SIGTERM");
    expect(() => process.kill(pids[1] ?? 0, 0)).toThrow();
    expect(await readFile(join(folder, "log"), "utf8")).toContain("no json");
  });

  it("says what it said when it cannot start", async () => {
    const { process: program } = await supervised('console.error("no port"); process.exit(3);');
    const never = new Promise<void>(() => {});
    await expect(program.start(never)).rejects.toThrow(/its end \(exit code 3\): no port/);
    await program.stop("SIGTERM");
  });
});
