import { describe, expect, it } from "vitest";
import {
  alongArrows,
  declaredImports,
  frontDoor,
  noCycles,
  noOrphans,
  withinReach,
} from "./imports.js";
import { formatFinding, plantedProject, type Rule } from "./project.js";

const found = (rule: Rule, files: Readonly<Record<string, string>>): string[] =>
  rule.findings(plantedProject(files)).map(formatFinding);

describe("alongArrows", () => {
  const from = (folder: string, text: string) =>
    found(alongArrows, { [`${folder}/src/a.ts`]: text });

  it("accepts what the design draws", () => {
    expect(from("services/gpu-node", `import { trace } from "@retake/compile";`)).toEqual([]);
    expect(from("packages/cli", `import { edit } from "@retake/coordinator";`)).toEqual([]);
    expect(from("packages/wire", `import { Code } from "@retake/errors";`)).toEqual([]);
  });

  it.each([
    `import { unet } from "@retake/model";`,
    `import type { UNet } from "@retake/model";`,
    `export { unet } from "@retake/model";`,
    `const model = await import("@retake/model");`,
    `type UNet = import("@retake/model").UNet;`,
    `const model = require("@retake/model");`,
  ])("refuses the coordinator %s", (text) => {
    const message = "services/coordinator/src/a.ts:1: coordinator may not import model";
    expect(from("services/coordinator", text)).toEqual([message]);
  });

  it("refuses an arrow drawn backwards, and one from a package that it does not know", () => {
    expect(from("packages/model", `import "@retake/compile";`)).toHaveLength(1);
    expect(from("packages/cli", `import "@retake/checkpoint";`)).toHaveLength(1);
    expect(from("packages/new", `import "@retake/errors";`)).toHaveLength(1);
  });
});

describe("withinReach", () => {
  it.each([
    ["packages/errors/src/a.ts", "node:fs"],
    ["packages/model/src/a.ts", "node:fs"],
    ["services/coordinator/src/media/a.ts", "onnxruntime-node"],
    ["services/coordinator/src/rpc/a.ts", "@tensorflow/tfjs"],
    ["services/coordinator/src/job/a.ts", "@grpc/grpc-js"],
    ["services/gpu-node/src/node/a.ts", "node:fs/promises"],
    ["services/gpu-node/src/node/a.ts", "@nats-io/transport-node"],
  ])("refuses %s the import of %s", (path, specifier) => {
    expect(found(withinReach, { [path]: `import "${specifier}";` })).toHaveLength(1);
    expect(found(withinReach, { [path]: `import "./b.js";` })).toEqual([]);
  });

  it("refuses code what is meant for tests", () => {
    const path = "packages/model/src/a.ts";
    expect(found(withinReach, { [path]: `import "./testing/noise.js";` })).toEqual([
      `${path}:1: may not import ./testing/noise.js: it is for tests`,
    ]);
  });

  it("lets tests and other folders import them", () => {
    const text = `import "node:fs";`;
    expect(found(withinReach, { "packages/model/src/a.test.ts": text })).toEqual([]);
    expect(found(withinReach, { "services/gpu-node/src/runtime/a.ts": text })).toEqual([]);
  });
});

describe("frontDoor", () => {
  it("refuses a path into another package, by name or by dots", () => {
    const path = "packages/model/src/unet/a.ts";
    expect(found(frontDoor, { [path]: `import "@retake/errors";` })).toEqual([]);
    expect(found(frontDoor, { [path]: `import "../b.js";` })).toEqual([]);
    expect(found(frontDoor, { [path]: `import "@retake/errors/dist/a.js";` })).toHaveLength(1);
    expect(found(frontDoor, { [path]: `import "../../../errors/src/a.js";` })).toHaveLength(1);
    expect(found(frontDoor, { "test/e2e/a.ts": `import "../../packages/cli/src/a.js";` })).toEqual([
      "test/e2e/a.ts:1: ../../packages/cli/src/a.js reaches into packages/cli; import the package",
    ]);
  });
});

describe("frontDoor of a package with several", () => {
  it("accepts a door that the package declares", () => {
    const files = {
      "packages/model/package.json": JSON.stringify({
        name: "@retake/model",
        exports: { ".": "./dist/index.js", "./random": { default: "./dist/random/index.js" } },
      }),
    };
    const text = (door: string) => ({ ...files, "packages/cli/src/a.ts": `import "${door}";` });
    expect(found(frontDoor, text("@retake/model/random"))).toEqual([]);
    expect(found(frontDoor, text("@retake/model/tuning"))).toHaveLength(1);
  });
});

describe("declaredImports", () => {
  const manifests = {
    "package.json": `{ "devDependencies": { "vitest": "4.1.12" } }`,
    "packages/cli/package.json": JSON.stringify({
      name: "@retake/cli",
      dependencies: { commander: "14.0.3" },
    }),
  };
  const inFile = (path: string, text: string) =>
    found(declaredImports, { ...manifests, [path]: text });

  it("accepts the package's own dependencies, Node's modules, and test tools in tests", () => {
    const text = `import "commander"; import "node:fs"; import "./b.js"; import "@retake/cli";`;
    expect(inFile("packages/cli/src/a.ts", text)).toEqual([]);
    expect(inFile("packages/cli/src/a.test.ts", `import "vitest";`)).toEqual([]);
    expect(inFile("packages/cli/src/testing/a.ts", `import "vitest";`)).toEqual([]);
    expect(inFile("test/e2e/a.ts", `import "vitest"; import "commander";`)).toEqual([]);
  });

  it("refuses what only happens to be installed", () => {
    expect(inFile("packages/cli/src/a.ts", `import "chalk/x.js";`)).toEqual([
      "packages/cli/src/a.ts:1: chalk is not among the dependencies of packages/cli/package.json",
    ]);
    expect(inFile("packages/cli/src/a.ts", `import "vitest";`)).toHaveLength(1);
    expect(inFile("bench/a.ts", `import "@types/node";`)).toHaveLength(1);
  });
});

describe("noCycles", () => {
  it("names the circle, of types too", () => {
    const circle = {
      "packages/model/src/a.ts": `import { b } from "./b.js";`,
      "packages/model/src/b.ts": `export * from "./c/c.js";`,
      "packages/model/src/c/c.ts": `import type { A } from "../a.js";`,
    };
    expect(found(noCycles, circle)).toEqual([
      "packages/model/src/a.ts: a circle: packages/model/src/a.ts -> packages/model/src/b.ts" +
        " -> packages/model/src/c/c.ts -> packages/model/src/a.ts",
    ]);
    expect(found(noCycles, { ...circle, "packages/model/src/c/c.ts": "" })).toEqual([]);
  });

  it("accepts two ways to one file", () => {
    const diamond = {
      "packages/model/src/a.ts": `import "./b.js"; import "./c.js";`,
      "packages/model/src/b.ts": `import "./d.js";`,
      "packages/model/src/c.ts": `import "./d.js";`,
      "packages/model/src/d.ts": "",
    };
    expect(found(noCycles, diamond)).toEqual([]);
  });
});

describe("noOrphans", () => {
  it("refuses a file that nobody imports, or its test alone", () => {
    const files = {
      "packages/model/package.json": `{ "exports": { ".": "./dist/index.js" } }`,
      "packages/model/src/index.ts": `export { b } from "./b.js";`,
      "packages/model/src/b.ts": "",
      "packages/model/src/lost.ts": "",
      "packages/model/src/tested.ts": "",
      "packages/model/src/tested.test.ts": `import "./tested.js";`,
    };
    expect(found(noOrphans, files)).toEqual([
      "packages/model/src/lost.ts: nobody imports this file",
      "packages/model/src/tested.ts: nobody imports this file",
    ]);
  });

  it("accepts what is started by npm, as a program, as a worker or by its built name", () => {
    const files = {
      "package.json": `{ "scripts": { "a": "node scripts/run.mjs", "b": "node x bench unet",
        "c": "node x demo-model world" } }`,
      "scripts/run.mjs": `start("dist/test/golden/run.js");`,
      "test/golden/run.ts": "",
      "bench/unet.ts": "",
      "bench/lost.ts": "",
      "models/demo/world/run.ts": "",
      "models/demo/lost/run.ts": "",
      "packages/cli/package.json": `{ "bin": { "retake": "./bin/retake.js" } }`,
      "packages/cli/bin/retake.js": "",
      "services/gpu-node/src/main.ts": `new URL("./worker.js", import.meta.url);`,
      "services/gpu-node/src/worker.ts": `new URL("thread.js", import.meta.url);`,
      "services/gpu-node/src/thread.ts": "",
    };
    expect(found(noOrphans, files)).toEqual([
      "bench/lost.ts: nobody imports this file",
      "models/demo/lost/run.ts: nobody imports this file",
    ]);
  });

  it("lets unit tests share files that are marked as theirs", () => {
    const files = {
      "packages/model/src/testing/noise.ts": "",
      "packages/model/src/testing/lost.ts": "",
      "packages/model/src/a.test.ts": `import "./testing/noise.js";`,
    };
    expect(found(noOrphans, files)).toEqual([
      "packages/model/src/testing/lost.ts: nobody imports this file",
    ]);
  });

  it("lets a system test have files of its own", () => {
    const files = {
      "test/e2e/edit.test.ts": `import "./cluster.js";`,
      "test/e2e/cluster.ts": "",
      "test/e2e/lost.ts": "",
    };
    expect(found(noOrphans, files)).toEqual(["test/e2e/lost.ts: nobody imports this file"]);
  });
});
