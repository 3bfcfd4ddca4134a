import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const module = fileURLToPath(new URL("child.mjs", import.meta.url));

/** A process of its own that runs one child and exits as it did. */
function parentOf(childCode: string, options = "{}"): ChildProcess {
  const code = `
    const { runChild } = await import(${JSON.stringify(module)});
    const args = ["-e", ${JSON.stringify(childCode)}];
    const { code, output } = await runChild(process.execPath, args, ${options});
    console.log(JSON.stringify(output));
    process.exitCode = code;`;
  return spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: "pipe" });
}

function ending(parent: ChildProcess): Promise<{ code: number | null; text: string }> {
  let text = "";
  parent.stdout?.on("data", (data) => {
    text += String(data);
  });
  return new Promise((resolve) => parent.on("close", (code) => resolve({ code, text })));
}

describe("runChild", () => {
  it("gives the exit code and, when quiet, what was printed", async () => {
    const loud = await ending(parentOf("console.log('seen'); process.exit(7)"));
    expect(loud).toEqual({ code: 7, text: 'seen\n""\n' });
    const quiet = await ending(parentOf("console.log('kept')", "{ quiet: true }"));
    expect(quiet).toEqual({ code: 0, text: '"kept\\n"\n' });
  });

  it("gives 128 + n for a child that a signal ended, and 127 for no program", async () => {
    expect((await ending(parentOf("process.kill(process.pid, 'SIGKILL')"))).code).toBe(137);
    const { runChild } = await import("./child.mjs");
    expect((await runChild("retake-no-such-program", [], { quiet: true })).code).toBe(127);
  });

  it.each(["SIGTERM", "SIGINT"] as const)(
    "passes %s on and exits as the child does",
    async (name) => {
      const parent = parentOf(`
      process.on("${name}", () => process.exit(9));
      setInterval(() => {}, 1000);
      console.log("ready");`);
      parent.stdout?.once("data", () => parent.kill(name));
      const { code, text } = await ending(parent);
      expect({ code, text }).toEqual({ code: 9, text: "ready\n" });
    },
  );

  it("does not go on when it was told to stop and the child ended well", async () => {
    const parent = parentOf(`
      process.on("SIGTERM", () => process.exit(0));
      setInterval(() => {}, 1000);
      console.log("ready");`);
    parent.stdout?.once("data", () => parent.kill("SIGTERM"));
    expect((await ending(parent)).code).toBe(143);
  });
});
