import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { writeKubeconfig } from "../kubernetes/fake-api-server.js";
import { createAuthority } from "../mtls/certificate-authority.js";
import { temporaryFolder } from "../mtls/temporary-folder.js";
import { workloadsOf } from "./manifest.js";
import { objectsOf, readRendered, root } from "./render.js";

const rendered = readRendered();

/** The flags that a container of any combination gives its program. */
function flagsOf(name: string): string[] {
  const args = Object.keys(rendered.combinations).flatMap((combination) =>
    workloadsOf(objectsOf(rendered, combination)).flatMap(({ template }) =>
      template.spec.containers
        .filter((container) => container.name === name)
        .flatMap(({ args = [] }) => args),
    ),
  );
  return [...new Set(args.map((arg) => arg.replace(/=.*/, "")))].sort();
}

/** The options that a program's `main.ts` hands to `parseArgs`. */
function optionsIn(path: string): Set<string> {
  const text = readFileSync(join(root, path), "utf8");
  const [, options = ""] = /parseArgs\(\{([\s\S]*?)\}\)/.exec(text) ?? [];
  return new Set(
    [...options.matchAll(/(?:"([a-z-]+)"|\b([a-z-]+)): (?:text|\{)/g)].map(
      ([, quoted, plain]) => `--${quoted ?? plain}`,
    ),
  );
}

describe("the flags of the manifests", () => {
  it.each([
    ["coordinator", "services/coordinator/src/main.ts"],
    ["gpu-node", "services/gpu-node/src/main.ts"],
  ])("of %s are ones that its program has", (name, path) => {
    const known = optionsIn(path);
    expect(flagsOf(name).length).toBeGreaterThan(8);
    expect(flagsOf(name).filter((flag) => !known.has(flag))).toEqual([]);
  });

  it("of the coordinator are taken: with all but the store, it gets as far as NATS", async () => {
    const objects = objectsOf(rendered, "local");
    const [workload] = workloadsOf(objects).filter(({ object }) => object.kind === "Deployment");
    const { args = [] } = workload?.template.spec.containers[0] ?? {};
    const settings = objects.find(({ metadata: { name } }) => name.startsWith("coordinator-set"));
    const given = args.map((arg) =>
      arg.replace(/\$\((\w+)\)/, (_, name: string) => settings?.data?.[name] ?? "of-the-pod"),
    );
    const main = join(root, "services/coordinator/dist/main.js");
    const local = [
      ...given.filter((arg) => !/^--(nats|tokens|store-folder|listen|metrics)=/.test(arg)),
      ...["--listen=127.0.0.1:0", "--nats=nats://127.0.0.1:1"],
    ];
    // Whoever leads calls the API server after NATS: nobody listens there.
    const folder = await temporaryFolder();
    const authority = await createAuthority("CN=Kubernetes test");
    const server = { url: "https://127.0.0.1:1", authority };
    const { path: KUBECONFIG } = await writeKubeconfig(folder, server, "token");
    const env = { ...process.env, KUBECONFIG };
    const running = promisify(execFile)(process.execPath, [main, ...local], { env });
    await expect(running).rejects.toMatchObject({
      stdout: expect.stringContaining("nats-unreachable"),
    });
  });
});
