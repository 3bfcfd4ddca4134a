import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { failureOf, temporaryFolder } from "../testing/temporary-folder.js";
import { readJsonObject } from "./read-json.js";

describe("readJsonObject", () => {
  it("reads an object, and refuses everything else", async () => {
    const path = join(await temporaryFolder(), "x.json");
    await writeFile(path, '{"a": [1]}');
    expect(await readJsonObject(path)).toEqual({ a: [1] });
    for (const text of ["", "[1]", "null", "1", '{"a":', "\u0000"]) {
      await writeFile(path, text);
      expect((await failureOf(() => readJsonObject(path))).reason).toBe("file-malformed");
    }
  });

  it("refuses a file of a gigabyte before reading it", async () => {
    const path = join(await temporaryFolder(), "x.json");
    await writeFile(path, "");
    await truncate(path, 2 ** 30);
    expect((await failureOf(() => readJsonObject(path))).reason).toBe("file-malformed");
  });
});
