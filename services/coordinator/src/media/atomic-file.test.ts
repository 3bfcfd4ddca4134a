import { execFile, execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { outputError, writeAtomically } from "./atomic-file.js";
import { smallDisk, temporaryFolder } from "./testing/generated-video.js";

const folder = await temporaryFolder();
const disk = await smallDisk();
const at = (name: string): string => join(folder, name);
const run = promisify(execFile);

describe("writeAtomically", () => {
  it("gives the file its name only when it is whole", async () => {
    await writeFile(at("a"), "old");
    const value = await writeAtomically(at("a"), async (temporary) => {
      await writeFile(temporary, "new");
      expect(await readFile(at("a"), "utf8")).toBe("old");
      return 7;
    });
    expect(value).toBe(7);
    expect(await readFile(at("a"), "utf8")).toBe("new");
    expect(await readdir(folder)).toEqual(["a"]);
  });

  it("leaves what was there when the work fails, and nothing else", async () => {
    const broken = writeAtomically(at("a"), async (temporary) => {
      await writeFile(temporary, "half");
      throw new Error("broken");
    });
    await expect(broken).rejects.toThrow("broken");
    expect(await readFile(at("a"), "utf8")).toBe("new");
    expect(await readdir(folder)).toEqual(["a"]);
  });

  it.each(["no/such/folder/a", "a/below", "folder", "", "a/", "x\0y", "x".repeat(300)])(
    "refuses %j as output-not-writable",
    async (name) => {
      await mkdir(at("folder/inside"), { recursive: true });
      const path = name === "" ? "" : at(name);
      const write = writeAtomically(name.endsWith("/") ? `${path}/` : path, () =>
        Promise.resolve(),
      );
      await expect(write).rejects.toMatchObject({ reason: "output-not-writable" });
    },
  );

  it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "leaves nothing behind when %s ends the process",
    async (signal) => {
      const place = at(signal);
      await mkdir(place);
      const module = fileURLToPath(new URL("../../dist/media/atomic-file.js", import.meta.url));
      const script = `import { writeAtomically } from ${JSON.stringify(module)};
        await writeAtomically(${JSON.stringify(join(place, "a"))}, async () => {
          process.kill(process.pid, ${JSON.stringify(signal)});
          await new Promise((resolve) => setTimeout(resolve, 60_000));
        });`;
      const child = run(process.execPath, ["--input-type=module", "-e", script]);
      await expect(child).rejects.toMatchObject({ signal });
      expect(await readdir(place)).toEqual([]);
    },
  );
});

describe("writeAtomically on a disk of one megabyte", () => {
  it.skipIf(disk === null)("says that it is full, and leaves nothing", async () => {
    const full = writeAtomically(join(disk ?? "", "a"), async (temporary) => {
      await writeFile(temporary, new Uint8Array(2_000_000)).catch((thrown: unknown) => {
        throw outputError(thrown, "a");
      });
    });
    await expect(full).rejects.toMatchObject({ reason: "disk-full", code: "RESOURCE_EXHAUSTED" });
    expect(await readdir(disk ?? "")).toEqual([]);
  });

  it.skipIf(disk === null)("says that it may only be read", async () => {
    execFileSync("mount", ["-o", "remount,ro", disk ?? ""]);
    const write = writeAtomically(join(disk ?? "", "a"), () => Promise.resolve());
    await expect(write).rejects.toMatchObject({ reason: "output-not-writable" });
  });
});

describe("outputError", () => {
  it.each([
    ["ENOSPC: no space left on device, write", "disk-full"],
    ["av_interleaved_write_frame(): No space left on device", "disk-full"],
    ["Error writing trailer: Disk quota exceeded", "disk-full"],
    ["EROFS: read-only file system, open 'x'", "output-not-writable"],
    ["file:x: Permission denied", "output-not-writable"],
    ["the frame has three corners", "bug"],
  ])("reads %j as %s", (message, reason) => {
    expect(outputError(new Error(message), "x").reason).toBe(reason);
  });
});
