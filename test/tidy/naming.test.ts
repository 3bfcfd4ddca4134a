import { describe, expect, it } from "vitest";
import { kebabCaseNames, protoUnits, tellingNames, testBeside } from "./naming.js";
import { formatFinding, plantedProject, type Rule } from "./project.js";

const found = (rule: Rule, ...paths: readonly string[]): string[] =>
  rule
    .findings(plantedProject(Object.fromEntries(paths.map((path) => [path, ""]))))
    .map(formatFinding);

describe("kebabCaseNames", () => {
  it("accepts kebab-case, endings aside", () => {
    const paths = [
      "packages/model/src/sparse-causal.test.ts",
      "scripts/run.mjs",
      "bench/unet3d.ts",
    ];
    expect(found(kebabCaseNames, ...paths)).toEqual([]);
  });

  it.each([
    "packages/model/src/sparseCausal.ts",
    "packages/model/src/sparse_causal.ts",
    "packages/model/src/UNet/up.ts",
    "packages/model/src/up-.ts",
  ])("refuses %s", (path) => expect(found(kebabCaseNames, path)).toHaveLength(1));
});

describe("tellingNames", () => {
  it.each(["utils.ts", "tensor-utils.ts", "types.ts", "helpers/add.ts", "common.test.ts"])(
    "refuses %s",
    (name) => expect(found(tellingNames, `packages/model/src/${name}`)).toHaveLength(1),
  );

  it("accepts a name that only contains such a word", () => {
    expect(found(tellingNames, "packages/model/src/shared-keys.ts")).toEqual([]);
  });
});

describe("testBeside", () => {
  it("refuses a test in a folder of its own", () => {
    const code = "packages/model/src/axes.ts";
    expect(found(testBeside, code, "packages/model/src/axes.test.ts")).toEqual([]);
    expect(found(testBeside, code, "packages/model/src/axes.values.test.ts")).toEqual([]);
    expect(found(testBeside, "scripts/a.mjs", "scripts/a.test.ts")).toEqual([]);
    expect(found(testBeside, code, "packages/model/src/test/axes.test.ts")).toEqual([
      "packages/model/src/test/axes.test.ts: there is no axes.ts beside it",
    ]);
    expect(found(testBeside, "test/e2e/edit.test.ts")).toEqual([]);
  });
});

describe("protoUnits", () => {
  it("refuses a number that is a duration or a size and does not say of what", () => {
    const text = [
      "message Lease {",
      "  uint32 lease_duration_ms = 1;",
      "  uint64 max_size = 2;",
      "  double timeout = 3;",
      "  google.protobuf.Duration delay = 4;",
      "}",
    ].join("\n");
    const project = plantedProject({ "proto/retake/v1/job.proto": text });
    expect(protoUnits.findings(project).map(formatFinding)).toEqual([
      "proto/retake/v1/job.proto:3: max_size: in which unit?",
      "proto/retake/v1/job.proto:4: timeout: in which unit?",
    ]);
  });
});
