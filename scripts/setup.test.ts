import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isInstalled, nodeVersionProblem } from "./setup.mjs";

describe("nodeVersionProblem", () => {
  const range = ">=20.19";

  it.each(["20.19.0", "20.20.2", "22.0.0", "24.1.0"])("accepts %s", (version) => {
    expect(nodeVersionProblem(version, { range })).toBeUndefined();
  });

  it.each(["20.18.9", "18.20.0", "9.99.0"])("refuses %s in one sentence", (version) => {
    expect(nodeVersionProblem(version, { range })).toBe(
      `Node.js 20.19 or newer is needed, this is ${version}; install a newer one.`,
    );
  });
});

describe("isInstalled", () => {
  const wanted = {
    packages: {
      "": { version: "0.1.0" },
      "packages/cli": { version: "0.1.0" },
      "node_modules/a": { version: "1.0.0" },
      "node_modules/@retake/cli": { link: true },
      "node_modules/only-on-windows": { version: "1.0.0", optional: true },
    },
  };
  const present = {
    packages: {
      "node_modules/a": { version: "1.0.0" },
      "node_modules/@retake/cli": { link: true },
      "node_modules/surplus": { version: "1.0.0" },
    },
  };

  it("accepts what the lock file asks for, without the optional and with surplus", () => {
    expect(isInstalled(present, wanted)).toBe(true);
  });

  it("refuses nothing, a missing package and another version", () => {
    const other = (packages: object) => ({ packages: { ...present.packages, ...packages } });
    expect(isInstalled(undefined, wanted)).toBe(false);
    expect(isInstalled({ packages: { "node_modules/a": { version: "1.0.0" } } }, wanted)).toBe(
      false,
    );
    expect(isInstalled(other({ "node_modules/a": { version: "1.0.1" } }), wanted)).toBe(false);
    const windows = { "node_modules/only-on-windows": { version: "2.0.0" } };
    expect(isInstalled(other(windows), wanted)).toBe(false);
  });
});

describe("ensureFfmpeg", () => {
  let path = "";
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), "retake-path-"));
    symlinkSync("/usr/bin/env", join(path, "env"));
    program("sudo", '[ "$2" = true ] || { shift; exec "$@"; }');
  });
  afterEach(() => rmSync(path, { recursive: true }));

  /** Puts a program on the PATH that this test sees. */
  function program(name: string, script: string): void {
    writeFileSync(join(path, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(path, name), 0o755);
  }
  const written = (name: string) =>
    `{ echo '#!/bin/sh' > ${path}/${name}; /bin/chmod +x ${path}/${name}; }`;

  /** What a person would see; empty when all is well. */
  function ensureFfmpeg(): string {
    const setup = fileURLToPath(new URL("setup.mjs", import.meta.url));
    const code = `
      const { ensureFfmpeg } = await import(${JSON.stringify(setup)});
      await ensureFfmpeg().catch((error) => console.error(error.message));`;
    const args = ["--input-type=module", "-e", code];
    return spawnSync(process.execPath, args, { env: { PATH: path }, encoding: "utf8" }).stderr;
  }

  it("does nothing when both programs are there", () => {
    program("ffmpeg", "");
    program("ffprobe", "");
    expect(ensureFfmpeg()).toBe("");
  });

  it("installs them with the system's package manager, lists first", () => {
    const log = `echo "$@" >> ${path}/log`;
    program(
      "apt-get",
      `${log}; case $1 in install) ${written("ffmpeg")}; ${written("ffprobe")};; esac`,
    );
    expect(ensureFfmpeg()).toBe("retake: installing ffmpeg with apt-get\n");
    const asked = readFileSync(join(path, "log"), "utf8").split("\n");
    expect(asked.map((line) => line.split(" ")[0])).toEqual(["--version", "update", "install", ""]);
  });

  it("shows why an install failed, and what to do", () => {
    program("apt-get", '[ "$1" = --version ] || { echo no network; exit 100; }');
    expect(ensureFfmpeg()).toBe(
      "retake: installing ffmpeg with apt-get\nno network\n\n" +
        "apt-get could not install ffmpeg (above); install ffmpeg with your system's " +
        "package manager, so that both are on the PATH.\n",
    );
  });

  it("says what to do where there is no package manager, or no right to use it", () => {
    expect(ensureFfmpeg()).toMatch(
      /^ffmpeg and ffprobe are missing; install ffmpeg with [^\n]*\n$/,
    );
    program("apt-get", "");
    program("sudo", "exit 1");
    const isRoot = process.getuid?.() === 0;
    expect(ensureFfmpeg()).toMatch(
      isRoot
        ? /^retake: installing ffmpeg with apt-get\nffmpeg does not start after install; [^\n]*\n$/
        : /^ffmpeg and ffprobe are missing; install them: sudo apt-get install [^\n]*ffmpeg\n$/,
    );
  });
});
