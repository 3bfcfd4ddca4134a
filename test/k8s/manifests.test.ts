import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { combinations } from "./combinations.js";
import { type Manifest, workloadsOf } from "./manifest.js";
import { digestOfSources, findKustomize, objectsOf, readRendered, render, root } from "./render.js";
import { createSchemaCheck, releases } from "./schema-check.js";

const rendered = readRendered();
const kustomize = findKustomize(process.env);

describe("rendered.json", () => {
  it("was made from deploy/k8s as it is; else run `npm run k8s:render`", () => {
    expect(rendered.sourceDigest).toBe(digestOfSources());
  });

  it("has every combination of overlay and components", () => {
    expect(Object.keys(rendered.combinations)).toEqual(combinations.map(({ name }) => name));
    expect(combinations).toHaveLength(65);
  });

  // On a machine without kustomize or kubectl, the digest above has to do.
  it.runIf(kustomize !== undefined)("is what kustomize makes of them, here", async () => {
    const all = [combinations[0], combinations.at(-1)].flatMap((one) => one ?? []);
    for (const combination of all) {
      const made = kustomize === undefined ? [] : await render(kustomize, combination);
      expect(made).toEqual(objectsOf(rendered, combination.name));
    }
  });
});

describe.each(releases)("the schemas of Kubernetes %s", (release) => {
  const problemsOf = createSchemaCheck(release);
  const objects = Object.values(rendered.objects);

  it("take every object", () => {
    expect(objects.flatMap(problemsOf)).toEqual([]);
  });

  /** A field that nobody knows, into every object in an object, at every depth. */
  it.each([...new Set(objects.map(({ kind }) => kind))])("refuse a field that %s lacks", (kind) => {
    const object = objects.find((one) => one.kind === kind);
    if (object === undefined) throw new Error("expected one");
    expect(problemsOf({ ...object, ...{ replica: 2 } })).not.toEqual([]);
    if (object.spec === undefined) return;
    const wrong = { ...object, spec: { ...object.spec, ...{ replica: 2 } } };
    expect(problemsOf(wrong)).not.toEqual([]);
  });

  it("refuse it deep inside a pod, too, of every kind of workload", () => {
    for (const { object } of workloadsOf(objects)) {
      const misspelt: Manifest = JSON.parse(
        JSON.stringify(object).replaceAll("allowPrivilegeEscalation", "allowPrivilegesEscalation"),
      );
      expect(problemsOf(misspelt).join()).toContain("allowPrivilegesEscalation");
      const untyped: Manifest = JSON.parse(
        JSON.stringify(object).replaceAll(
          '"readOnlyRootFilesystem":true',
          '"readOnlyRootFilesystem":"yes"',
        ),
      );
      expect(problemsOf(untyped).join()).toContain("readOnlyRootFilesystem");
    }
  });

  it("refuse a kind that they do not know", () => {
    const [object] = objects;
    if (object === undefined) throw new Error("expected one");
    expect(problemsOf({ ...object, apiVersion: "retake.dev/v1" })).not.toEqual([]);
  });
});

describe("the overlay gpu", () => {
  it.each(combinations.filter(({ name }) => name.startsWith("gpu")))(
    "$name has GPUs",
    ({ name }) => {
      const pools = workloadsOf(objectsOf(rendered, name)).filter(
        ({ labels }) => labels["app.kubernetes.io/component"] === "pool",
      );
      const limits = pools.map(({ template }) => template.spec.containers[0]?.resources?.limits);
      expect(limits).toEqual([expect.objectContaining({ "nvidia.com/gpu": 1 })]);
    },
  );

  it("runs the releases that this repository is", () => {
    const text = readFileSync(join(root, "package.json"), "utf8");
    const { version }: { version: string } = JSON.parse(text);
    const images = Object.values(rendered.objects).flatMap((object) =>
      workloadsOf([object]).flatMap(({ template: { spec } }) =>
        [...spec.containers, ...(spec.initContainers ?? [])].map(({ image }) => image),
      ),
    );
    const own = [...new Set(images)].filter((image) => image.startsWith("retake/")).sort();
    expect(own).toEqual([`retake/coordinator:${version}`, `retake/gpu-node:${version}`]);
  });
});
