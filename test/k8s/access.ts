import type { ApiAccess } from "../kubernetes/api-state.js";
import { type Manifest, nameOf } from "./manifest.js";

/** What RBAC lets an account do: what the roles say that are bound to it. */
export function permitsOf(
  objects: readonly Manifest[],
  account: string,
): (access: ApiAccess) => boolean {
  const bound = objects.filter(({ subjects = [] }) =>
    subjects.some(({ name }) => name === account),
  );
  const roles = bound.map(({ roleRef }) => `${roleRef?.kind}/${roleRef?.name}`);
  const rules = objects.flatMap((object) =>
    roles.includes(nameOf(object)) ? (object.rules ?? []) : [],
  );
  return ({ verb, group, resource, name }) =>
    rules.some(
      ({ apiGroups, resources, resourceNames, verbs }) =>
        apiGroups.includes(group) &&
        resources.includes(resource) &&
        verbs.includes(verb) &&
        (resourceNames === undefined || resourceNames.includes(name ?? "")),
    );
}
