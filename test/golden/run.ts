/**
 * `npm run golden`: compares every stage with the authors' numbers, and prints a table. Ends with
 * "N of N within tolerance", and with exit code 1 if any is not.
 */
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createEngine, type EngineName, engineNames } from "@retake/gpu-node";
import { goldenGroups, isGoldenGroup, runGolden } from "./golden-run.js";
import { summaryLine, tableHead, tableLine } from "./golden-table.js";
import { isWithin, type Row } from "./measurement.js";

const usage = `npm run golden -- [options]
  --dir DIR         a folder of golden data (default test/golden/data)
  --engine NAME     ${engineNames.join(", ")} (default onnx-cpu)
  --only GROUPS     some of ${goldenGroups.join(",")}
  --case PATTERN    only cases whose name matches the regular expression
  --no-sd-size      leave the full-size network out
  --threads N       threads per pass (default: all cores)
  --cache DIR       compiled programs and full-size weights (default .cache)
  --tokenizer DIR   taken where the golden checkpoint has none of its own`;

/** The repository's root: this file runs from `dist/test/golden`. */
function repositoryRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "tsconfig.base.json"))) folder = dirname(folder);
  return folder;
}

function readOptions(argv: readonly string[]) {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      dir: { type: "string" },
      engine: { type: "string", default: "onnx-cpu" },
      only: { type: "string", default: goldenGroups.join(",") },
      case: { type: "string" },
      "no-sd-size": { type: "boolean", default: false },
      threads: { type: "string", default: String(availableParallelism()) },
      cache: { type: "string" },
      tokenizer: { type: "string" },
    },
  });
  const engine = engineNames.find((name) => name === values.engine);
  const asked = values.only.split(",");
  const unknown = asked.find((name) => !isGoldenGroup(name));
  if (engine === undefined) throw new Error(`--engine: there is no engine ${values.engine}`);
  if (unknown !== undefined) throw new Error(`--only: there is no group ${unknown}`);
  const data = join(repositoryRoot(), "test/golden/data");
  return {
    engine,
    dir: resolve(values.dir ?? data),
    groups: asked
      .filter(isGoldenGroup)
      .filter((group) => group !== "sd-size" || !values["no-sd-size"]),
    threads: Number(values.threads),
    cacheDir: resolve(values.cache ?? join(repositoryRoot(), ".cache")),
    tokenizerPath: resolve(values.tokenizer ?? join(data, "tiny-sd/tokenizer")),
    cases: new RegExp(values.case ?? ""),
  };
}

async function main(argv: readonly string[]): Promise<number> {
  const { engine: name, threads, ...options } = readOptions(argv);
  const engine = await createEngine(name satisfies EngineName, {
    threads,
    cacheDir: options.cacheDir,
  });
  const rows: Row[] = [];
  console.log(`${options.dir} on ${name}, numerics ${engine.numericsId}\n${tableHead()}`);
  try {
    for await (const row of runGolden({ ...options, engine })) {
      rows.push(row);
      console.log(tableLine(row));
    }
  } finally {
    await engine.close();
  }
  console.log(summaryLine(rows));
  const measured = rows.filter((row) => row.kind === "measured");
  return measured.length > 0 && measured.every(isWithin) ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (thrown) {
  console.error(`golden: ${thrown instanceof Error ? thrown.message : String(thrown)}\n\n${usage}`);
  process.exitCode = 2;
}
