import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ensureNatsServer, natsVersionProblem } from "./nats-server.mjs";
import { SetupError } from "./setup.mjs";

describe("natsVersionProblem", () => {
  it.each(["v2.10.0", "v2.15.2", "v3.0.0"])("accepts %s", (version) => {
    expect(natsVersionProblem(`nats-server: ${version}\n`)).toBeUndefined();
  });

  it.each([
    ["nats-server: v2.9.25", "it is 2.9, older than 2.10"],
    ["nats-server: v1.99.0", "it is 1.99, older than 2.10"],
    ["something else", "it does not say its version"],
  ])("refuses %j", (output, problem) => {
    expect(natsVersionProblem(output)).toBe(problem);
  });
});

describe("ensureNatsServer", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "retake-nats-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** A program of that name that prints `output`. */
  const fake = (name: string, output: string, program = "nats-server") => {
    const path = join(folder, name);
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, program), `#!/bin/sh\necho '${output}'\n`);
    chmodSync(join(path, program), 0o755);
    return path;
  };
  const cacheFolder = () => join(folder, "cache");

  it("takes the one that NATS_SERVER_PATH names, or says what is wrong with it", async () => {
    const good = join(fake("good", "nats-server: v2.11.0"), "nats-server");
    const options = { cacheFolder: cacheFolder() };
    const env = { NATS_SERVER_PATH: good };
    expect(await ensureNatsServer({ ...options, env })).toBe(good);
    const old = join(fake("old", "nats-server: v2.9.10"), "nats-server");
    const refused = ensureNatsServer({ ...options, env: { NATS_SERVER_PATH: old } });
    await expect(refused).rejects.toThrow(/it is 2.9, older than 2.10; install nats-server/);
    const missing = ensureNatsServer({ ...options, env: { NATS_SERVER_PATH: `${folder}/none` } });
    await expect(missing).rejects.toBeInstanceOf(SetupError);
  });

  it("passes over one on the PATH that is too old, and takes the next", async () => {
    const PATH = [fake("old", "nats-server: v2.9.10"), fake("new", "nats-server: v2.12.1")].join(
      ":",
    );
    const found = await ensureNatsServer({ env: { PATH }, cacheFolder: cacheFolder() });
    expect(found).toBe(join(folder, "new/nats-server"));
  });

  it("takes the one that it installed before", async () => {
    fake("cache", "nats-server: v2.15.2");
    const found = await ensureNatsServer({ env: { PATH: "" }, cacheFolder: cacheFolder() });
    expect(found).toBe(join(folder, "cache/nats-server"));
  });

  it("says what it tried when there is nothing to install it with", async () => {
    const PATH = fake("empty", "", "something-else");
    const attempt = ensureNatsServer({ env: { PATH }, cacheFolder: cacheFolder() });
    await expect(attempt).rejects.toThrow(
      /nats-server is missing \(there is no go to build it with; pip could not: .*\); install/,
    );
  });
});
