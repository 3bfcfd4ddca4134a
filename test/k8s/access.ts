import type { ApiAccess } from "../kubernetes/api-state.js";
import { type Manifest, nameOf } from "./manifest.js";

/** What RBAC lets an account do, as its one role says. */
export function permitsOf(
  objects: readonly Manifest[],
  account: string,
): (access: ApiAccess) => boolean {
  const rules = objects.find((object) => nameOf(object) === `Role/${account}`)?.rules ?? [];
  return ({ verb, group, resource, name }) =>
    rules.some(
      ({ apiGroups, resources, resourceNames, verbs }) =>
        apiGroups.includes(group) &&
        resources.includes(resource) &&
        verbs.includes(verb) &&
        (resourceNames === undefined || resourceNames.includes(name ?? "")),
    );
}
