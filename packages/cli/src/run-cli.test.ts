import { describe, expect, it } from "vitest";
import { runCli } from "./run-cli.js";
import { fakeEnvironment } from "./testing/fake-environment.js";

async function ran(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const environment = fakeEnvironment({ env });
  return { code: await runCli(args, environment), ...environment.said };
}

describe("runCli", () => {
  it("answers --help on stdout, with the exit codes and where settings come from", async () => {
    const { code, out, err } = await ran(["--help"]);
    expect([code, err]).toEqual([0, ""]);
    for (const part of ["edit", "doctor", "Exit codes:", "130", "retake.json", "RETAKE_CACHE"]) {
      expect(out).toContain(part);
    }
  });

  it.each(["edit", "tune", "invert", "sample", "demo", "cache", "doctor"])(
    "explains %s, with the paper's defaults",
    async (command) => {
      const { code, out } = await ran([command, "--help"]);
      expect(code).toBe(0);
      if (command === "edit") expect(out).toMatch(/--steps <count>[^-]*\(default: 300\)/);
    },
  );

  it.each([
    [[], "expected a command"],
    [["paint"], "unknown command 'paint'"],
    [["edit", "a.mp4", "b.mp4"], "too many arguments"],
    [["edit", "a.mp4", "--frame", "3"], "unknown option '--frame'"],
    [["tune"], "missing required argument"],
    [["edit", "--source", "a", "--prompt", "b"], "clip: expected the path"],
    [["edit", "a.mp4", "--source", "a", "--prompt", "b"], "--model: expected"],
    [["edit", "a.mp4", "--stop", "soon"], "--stop: expected one of steps, auto"],
    [["edit", "--manifest", "m.json", "--stop", "auto"], "--stop: expected no setting beside"],
    [["cache", "prune"], "expected --older, --max-size or --all"],
  ])("refuses %j in one sentence on stderr", async (args, says) => {
    const { code, out, err } = await ran(args);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toMatch(/^retake: [^\n]*\n$/);
    expect(err).toContain(says);
  });

  it.each(["submit", "batch"])("says what %s asks for instead of --stop auto", async (command) => {
    const { code, err } = await ran([command, "a.mp4", "--stop", "auto"]);
    expect([code, err]).toEqual([6, expect.stringContaining("let retake tune --stop auto choose")]);
  });

  it("tells errors as JSON where asked to, and where they come from when debugging", async () => {
    const { err } = await ran(["edit", "--frames", "x", "--json"]);
    expect(JSON.parse(err)).toMatchObject({ event: "error", reason: "bad-option" });
    const debugged = await ran(["edit", "--frames", "x"], { RETAKE_DEBUG: "1" });
    expect(debugged.err).toMatch(/\n\s+at /);
  });
});
