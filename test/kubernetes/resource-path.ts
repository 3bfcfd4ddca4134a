/** Which object, collection or part of an object a path of the Kubernetes API means. */
export interface ResourcePath {
  /** `v1` or `apps/v1` */
  readonly apiVersion: string;
  readonly namespace: string | undefined;
  /** `pods` */
  readonly resource: string;
  /** The path of the collection that it is, or is in. */
  readonly collection: string;
  readonly name: string | undefined;
  /** `status`, `scale` */
  readonly part: string | undefined;
}

/** The kinds that are served, by resource. */
const kinds: Readonly<Record<string, string>> = {
  endpointslices: "EndpointSlice",
  events: "Event",
  leaderworkersets: "LeaderWorkerSet",
  leases: "Lease",
  nodes: "Node",
  pods: "Pod",
  statefulsets: "StatefulSet",
};

export function kindOf(resource: string): string {
  const kind = kinds[resource];
  if (kind === undefined) throw new Error(`${resource}: no such kind on the test's API server`);
  return kind;
}

/** @returns undefined for a path that means nothing here: 404 */
export function parseResourcePath(path: string): ResourcePath | undefined {
  const parts = path.split("/").filter((part) => part !== "");
  const rest = parts.slice(parts[0] === "api" ? 2 : 3);
  const apiVersion = parts.slice(1, parts.length - rest.length).join("/");
  const namespace = rest[0] === "namespaces" && rest.length > 2 ? rest[1] : undefined;
  const [resource, name, part] = namespace === undefined ? rest : rest.slice(2);
  if (resource === undefined || kinds[resource] === undefined) return undefined;
  const collection = `/${parts.slice(0, parts.indexOf(resource) + 1).join("/")}`;
  return { apiVersion, namespace, resource, collection, name, part };
}
