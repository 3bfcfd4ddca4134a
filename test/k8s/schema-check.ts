import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { customSchemas } from "./custom-schemas.js";
import { type Manifest, nameOf } from "./manifest.js";
import { root } from "./render.js";

/** The oldest release of Kubernetes that the manifests are for, and the newest known. */
export const releases = ["1.32", "1.37"] as const;

/** Says what is wrong with an object; nothing if nothing is. */
export type SchemaCheck = (object: Manifest) => string[];

const formats = ["int32", "int64", "double", "date-time", "byte", "int-or-string"];

/** Checks objects against the schemas of a release. Fields that it does not know are errors. */
export function createSchemaCheck(release: (typeof releases)[number]): SchemaCheck {
  const path = join(root, `test/k8s/schemas/kubernetes-${release}.json`);
  const { $defs }: { $defs: Record<string, unknown> } = JSON.parse(readFileSync(path, "utf8"));
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  for (const format of formats) ajv.addFormat(format, true);
  const validators = new Map<string, ValidateFunction>();
  const validatorOf = (object: Manifest): ValidateFunction | undefined => {
    const key = `${object.apiVersion}/${object.kind}`;
    const known = validators.get(key);
    const schema = customSchemas[key] ?? builtIn(key, $defs);
    if (known !== undefined || schema === undefined) return known;
    const made = ajv.compile({ ...Object(schema), $defs });
    validators.set(key, made);
    return made;
  };
  return (object) => {
    const validate = validatorOf(object);
    if (validate === undefined) return [`${nameOf(object)}: no schema for ${object.apiVersion}`];
    if (validate(object)) return [];
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) =>
        `${nameOf(object)}${instancePath}: ${message} ${JSON.stringify(params)}`,
    );
  };
}

/** `apps/v1/StatefulSet` is `io.k8s.api.apps.v1.StatefulSet`; `v1/Service` is of "core". */
function builtIn(key: string, $defs: Readonly<Record<string, unknown>>): unknown {
  const parts = key.split("/");
  const [kind = "", version = "", group = "core"] = parts.reverse();
  const name = `io.k8s.api.${group.replace(/(\.authorization)?\.k8s\.io$/, "")}.${version}.${kind}`;
  return $defs[name] === undefined ? undefined : { $ref: `#/$defs/${name}` };
}
