import { parse, stringify } from "yaml";
import type { Manifest } from "./manifest.js";

/** An error that somebody could make: which rule must see it, where, and what it changes. */
export interface Plant {
  readonly rule: string;
  readonly error: string;
  /** `kind/name`, or how the name begins. */
  readonly at: string;
  /** Path of what is set; a last key that ends in "!" is removed. */
  readonly path: readonly (string | number)[];
  readonly value?: unknown;
}

const pod = ["spec", "template", "spec"] as const;
const container = [...pod, "containers", 0] as const;
const security = [...container, "securityContext"] as const;
const labels = ["metadata", "labels"] as const;
const node = "StatefulSet/gpu-node";
const coordinator = "Deployment/coordinator";
const neitherGoes = "two coordinators apart, of whom neither goes before a third can lead";
const toWhoLeads = "calls go to who leads, whom no manifest can know";

const ofPods: readonly Plant[] = [
  {
    ...{ rule: "a pod does not run as root", error: "it may", at: node },
    path: [...pod, "securityContext", "runAsNonRoot!"],
  },
  {
    ...{ rule: "a pod does not run as root", error: "user 0", at: node },
    ...{ path: [...pod, "securityContext", "runAsUser"], value: 0 },
  },
  {
    ...{ rule: "no container takes root back", error: "user 0", at: node },
    ...{ path: [...security, "runAsUser"], value: 0 },
  },
  {
    ...{ rule: "a pod has the runtime's seccomp profile", error: "Unconfined", at: coordinator },
    ...{ path: [...pod, "securityContext", "seccompProfile", "type"], value: "Unconfined" },
  },
  {
    ...{ rule: "no container gains privileges", error: "nothing said", at: node },
    path: [...security, "allowPrivilegeEscalation!"],
  },
  {
    ...{ rule: "no container gains privileges", error: "in an init container", at: node },
    path: [...pod, "initContainers", 0, "securityContext", "allowPrivilegeEscalation"],
    value: true,
  },
  {
    ...{ rule: "every capability is dropped", error: "one is added", at: node },
    ...{ path: [...security, "capabilities", "add"], value: ["SYS_PTRACE"] },
  },
  {
    ...{ rule: "the root file system is read-only", error: "it is not", at: "Job/fill-weights" },
    ...{ path: [...security, "readOnlyRootFilesystem"], value: false },
  },
  {
    ...{ rule: "a pod has no part of its host", error: "the network", at: node },
    ...{ path: [...pod, "hostNetwork"], value: true },
  },
  {
    ...{ rule: "a pod has no part of its host", error: "a port", at: node },
    ...{ path: [...container, "ports", 0, "hostPort"], value: 7071 },
  },
  {
    ...{ rule: "volumes are of kinds that cannot leave the pod", error: "hostPath", at: node },
    ...{ path: [...pod, "volumes", 0], value: { name: "models", hostPath: { path: "/" } } },
  },
  {
    rule: "a pod has an account of its own, a coordinator a token, and none variables of services",
    ...{ error: "a token", at: node, path: [...pod, "automountServiceAccountToken"], value: true },
  },
  {
    ...{ rule: "a container has requests and limits", error: "no limit of memory", at: node },
    path: [...container, "resources", "limits", "memory!"],
  },
  {
    ...{ rule: "an image has a version, and it is not latest", error: "latest", at: coordinator },
    ...{ path: [...container, "image"], value: "registry:5000/retake/coordinator:latest" },
  },
  {
    ...{ rule: "an image has a version, and it is not latest", error: "none", at: coordinator },
    ...{ path: [...container, "image"], value: "registry:5000/retake/coordinator" },
  },
  {
    ...{ rule: "a pod has time to end its work", error: "30 s for a step", at: node },
    ...{ path: [...pod, "terminationGracePeriodSeconds"], value: 30 },
  },
  {
    ...{ rule: "what is mounted is there", error: "a volume that is not", at: node },
    ...{ path: [...container, "volumeMounts", 0, "name"], value: "model" },
  },
  {
    ...{ rule: "a pod with a GPU says which, and goes where they are", error: "two", at: node },
    path: [...pod, "affinity!"],
  },
  {
    ...{ rule: "a pod with a GPU says which, and goes where they are", error: "taint", at: node },
    path: [...pod, "tolerations!"],
  },
  {
    ...{ rule: "GPUs are whole, and the request is the limit", error: "two wanted", at: node },
    ...{ path: [...container, "resources", "requests", "nvidia.com/gpu"], value: 2 },
  },
  {
    ...{ rule: "startup, readiness and liveness are asked for", error: "no startup", at: node },
    path: [...container, "startupProbe!"],
  },
  {
    ...{ rule: "startup, readiness and liveness are asked for", error: "by gRPC", at: node },
    ...{ path: [...container, "readinessProbe"], value: { grpc: { port: 7071 } } },
  },
  {
    ...{ rule: "readiness and liveness do not mean the same", error: "the same", at: node },
    path: [...container, "livenessProbe", "httpGet", "path"],
    value: "/readyz",
  },
  {
    rule: "liveness depends on nothing outside the process",
    ...{ error: "whether a standby leads", at: coordinator },
    ...{ path: [...container, "livenessProbe", "httpGet", "path"], value: "/readyz" },
  },
  {
    rule: "liveness depends on nothing outside the process",
    ...{ error: "other servers", at: "StatefulSet/nats" },
    ...{ path: [...container, "livenessProbe", "httpGet", "path"], value: "/healthz" },
  },
  {
    ...{ rule: "liveness is slower to give up than readiness", error: "10 s", at: node },
    ...{ path: [...container, "livenessProbe", "failureThreshold"], value: 0.5 },
  },
  {
    ...{ rule: "a probe asks at a port that is there", error: "another port", at: node },
    ...{ path: [...container, "readinessProbe", "httpGet", "port"], value: "metric" },
  },
];

const ofObjects: readonly Plant[] = [
  {
    ...{ rule: "an object has the recommended labels", error: "no version", at: "Service/nats" },
    path: [...labels, "app.kubernetes.io/version!"],
  },
  {
    ...{ rule: "an object lies in the namespace", error: "another", at: "Service/nats" },
    ...{ path: ["metadata", "namespace"], value: "default" },
  },
  {
    ...{ rule: "no object is there twice", error: "the same name", at: "Service/gpu-node" },
    ...{ path: ["metadata", "name"], value: "coordinator" },
  },
  {
    rule: "the namespace is restricted, by a version that is named",
    ...{ error: "baseline", at: "Namespace/retake" },
    ...{ path: [...labels, "pod-security.kubernetes.io/enforce"], value: "baseline" },
  },
  {
    rule: "coordinators have roles of what they need; nobody has another",
    ...{ error: "a binding", at: "ServiceAccount/nats" },
    ...{ path: ["kind"], value: "ClusterRoleBinding" },
  },
  {
    rule: "coordinators have roles of what they need; nobody has another",
    ...{ error: "any Lease", at: "Role/coordinator", path: ["rules", 0, "resourceNames!"] },
  },
  {
    rule: "coordinators have roles of what they need; nobody has another",
    ...{ error: "for nodes, too", at: "RoleBinding/coordinator" },
    ...{ path: ["subjects", 0, "name"], value: "gpu-node" },
  },
  {
    rule: "coordinators have roles of what they need; nobody has another",
    ...{ error: "any StatefulSet", at: "Role/coordinator-pool" },
    path: ["rules", 0, "resourceNames!"],
  },
  {
    rule: "coordinators have roles of what they need; nobody has another",
    ...{ error: "pods deleted", at: "Role/coordinator-pool" },
    ...{ path: ["rules", 2, "verbs", 0], value: "delete" },
  },
  {
    rule: "coordinators have roles of what they need; nobody has another",
    ...{ error: "machines cordoned by us", at: "ClusterRole/retake-coordinator" },
    ...{ path: ["rules", 0, "verbs", 0], value: "patch" },
  },
  {
    rule: "coordinators have roles of what they need; nobody has another",
    ...{ error: "pods of all namespaces", at: "ClusterRole/retake-coordinator" },
    ...{ path: ["rules", 0, "resources", 0], value: "pods" },
  },
  {
    ...{ rule: "no secret is in the repository", error: "one", at: "ConfigMap/nats-config" },
    ...{ path: ["kind"], value: "Secret" },
  },
  {
    ...{ rule: "an account mounts no token", error: "by default", at: "ServiceAccount/gpu-node" },
    path: ["automountServiceAccountToken!"],
  },
  {
    rule: "a workload's selector is of labels that last, and takes in its pods",
    ...{ error: "the version", at: coordinator },
    path: ["spec", "selector", "matchLabels", "app.kubernetes.io/version"],
    value: "0.1.0",
  },
  {
    rule: "a workload's selector is of labels that last, and takes in its pods",
    ...{ error: "others' pods", at: coordinator },
    path: ["spec", "selector", "matchLabels", "app.kubernetes.io/name"],
    value: "coordinators",
  },
  {
    ...{ rule: "a service finds pods, and a port of theirs", error: "a typo", at: "Service/nats" },
    ...{ path: ["spec", "selector", "app.kubernetes.io/name"], value: "nat" },
  },
  {
    ...{ rule: toWhoLeads, error: "to whoever is ready", at: "Service/coordinator" },
    path: ["spec", "selector", "retake.dev/leads!"],
  },
  {
    ...{ rule: toWhoLeads, error: "nobody's metrics but its", at: "Service/coordinator-pods" },
    ...{ path: ["spec", "selector", "retake.dev/leads"], value: "true" },
  },
  {
    ...{ rule: toWhoLeads, error: "all say so", at: coordinator },
    ...{ path: ["spec", "template", ...labels, "retake.dev/leads"], value: "true" },
  },
  {
    ...{ rule: "what a pod names is there", error: "settings of yesterday", at: coordinator },
    path: [...container, "envFrom", 0, "configMapRef", "name"],
    value: "coordinator-settings-0000000000",
  },
  {
    rule: "settings have a suffix from their content",
    ...{ error: "none", at: "ConfigMap/coordinator-settings" },
    ...{ path: ["metadata", "name"], value: "coordinator-settings" },
  },
  {
    rule: "an argument names variables that its container has",
    ...{ error: "a typo", at: node, path: [...container, "args", 0], value: "--node-id=$(POD)" },
  },
  {
    rule: "each workload has one disruption budget",
    ...{ error: "none", at: "PodDisruptionBudget/nats" },
    ...{ path: ["spec", "selector", "matchLabels", "app.kubernetes.io/name"], value: "nat" },
  },
  {
    rule: "a budget lets a machine be drained",
    ...{ error: "never", at: "PodDisruptionBudget/gpu-node" },
    ...{ path: ["spec", "maxUnavailable"], value: 0 },
  },
  {
    ...{ rule: neitherGoes, error: "both at once", at: coordinator },
    ...{ path: ["spec", "strategy", "rollingUpdate", "maxUnavailable"], value: "100%" },
  },
  {
    ...{ rule: neitherGoes, error: "a drain of both", at: "PodDisruptionBudget/coordinator" },
    ...{ path: ["spec", "maxUnavailable"], value: "100%" },
  },
  {
    ...{ rule: neitherGoes, error: "side by side", at: coordinator },
    path: [...pod, "topologySpreadConstraints!"],
  },
  {
    ...{ rule: neitherGoes, error: "one", at: coordinator },
    ...{ path: ["spec", "replicas"], value: 1 },
  },
  {
    rule: "NATS has three servers apart, keeps its data, and flushes every write",
    ...{ error: "it flushes every two minutes", at: "ConfigMap/nats-config" },
    ...{ path: ["data", "nats.conf"], value: "jetstream { store_dir: '/data' }" },
  },
  {
    rule: "NATS has three servers apart, keeps its data, and flushes every write",
    ...{ error: "two servers", at: "StatefulSet/nats", path: ["spec", "replicas"], value: 2 },
  },
  {
    rule: "a group is not started anew for one pod",
    ...{ error: "the default", at: "LeaderWorkerSet/gpu-node" },
    path: ["spec", "leaderWorkerTemplate", "restartPolicy!"],
  },
  {
    rule: "a scaler finds its pool, which says no number of its own",
    ...{ error: "another kind", at: "ScaledObject/gpu-node" },
    ...{ path: ["spec", "scaleTargetRef", "kind"], value: "Deployment" },
  },
  {
    ...{ rule: "there is one pool of nodes", error: "none", at: node },
    path: ["spec", "template", ...labels, "app.kubernetes.io/component"],
    value: "nodes",
  },
];

const ofNetworks: readonly Plant[] = [
  {
    rule: "whatever is not allowed is denied, both ways",
    ...{ error: "only one way", at: "NetworkPolicy/deny-all" },
    ...{ path: ["spec", "policyTypes"], value: ["Ingress"] },
  },
  {
    ...{ rule: "every pod has a policy of its own", error: "a typo", at: "NetworkPolicy/nats" },
    path: ["spec", "podSelector", "matchLabels", "app.kubernetes.io/name"],
    value: "nat",
  },
  {
    ...{ rule: "a network rule names who and where", error: "from all", at: "NetworkPolicy/nats" },
    path: ["spec", "ingress", 0, "from!"],
  },
  {
    ...{ rule: "a network rule names who and where", error: "any port", at: "NetworkPolicy/nats" },
    path: ["spec", "ingress", 0, "ports!"],
  },
  {
    rule: "pods may call whom they must, and nobody else",
    ...{ error: "one way is missing", at: "NetworkPolicy/gpu-node" },
    path: ["spec", "egress", 1, "ports", 0, "port"],
    value: 7070,
  },
  {
    rule: "pods may call whom they must, and nobody else",
    ...{ error: "one too many", at: "NetworkPolicy/nats" },
    path: ["spec", "ingress", 1, "from", 0, "podSelector"],
    value: {},
  },
  {
    rule: "an address of the cluster cannot be reached by a block of addresses",
    ...{ error: "everywhere", at: "NetworkPolicy/fill-weights" },
    path: ["spec", "egress", 0, "to", 0, "ipBlock", "except!"],
  },
  {
    rule: "an address of the cluster cannot be reached by a block of addresses",
    ...{ error: "at NATS' port", at: "NetworkPolicy/coordinator-to-api-server" },
    ...{ path: ["spec", "egress", 0, "ports", 0, "port"], value: 4222 },
  },
];

const shows = "with certificates, a process shows that of its role, and no other";
const renewed = "a certificate is renewed in time, by an issuer of the namespace";
const letsIn = "with certificates, NATS lets roles in, and only servers as routes";
const natsData = { at: "ConfigMap/nats-config" };

const ofCertificates: readonly Plant[] = [
  {
    ...{ rule: shows, error: "of a client", at: "Certificate/gpu-node" },
    ...{ path: ["spec", "dnsNames"], value: ["client.retake"] },
  },
  {
    ...{ rule: shows, error: "of two roles", at: "Certificate/coordinator" },
    ...{ path: ["spec", "dnsNames"], value: ["coordinator.retake", "node.retake"] },
  },
  {
    ...{ rule: shows, error: "for a server only", at: "Certificate/nats" },
    ...{ path: ["spec", "usages"], value: ["digital signature", "server auth"] },
  },
  {
    ...{ rule: shows, error: "another's secret", at: "Certificate/coordinator" },
    ...{ path: ["spec", "secretName"], value: "gpu-node-tls" },
  },
  {
    ...{ rule: shows, error: "not told to the program", at: node },
    ...{ path: [...container, "args"], value: [] },
  },
  {
    ...{ rule: renewed, error: "an hour before", at: "Certificate/nats" },
    ...{ path: ["spec", "renewBefore"], value: "1h" },
  },
  {
    ...{ rule: renewed, error: "with the old key", at: "Certificate/gpu-node" },
    ...{ path: ["spec", "privateKey", "rotationPolicy"], value: "Never" },
  },
  {
    ...{ rule: renewed, error: "another key of the CA", at: "Certificate/retake-ca" },
    ...{ path: ["spec", "privateKey", "rotationPolicy"], value: "Always" },
  },
  {
    ...{ rule: renewed, error: "by itself", at: "Certificate/gpu-node" },
    ...{ path: ["spec", "issuerRef", "name"], value: "retake-root" },
  },
  {
    ...{ rule: letsIn, error: "whoever has a certificate", ...natsData },
    ...{ path: ["data", "clients.conf"], value: "tls { verify: true }" },
  },
  {
    ...{ rule: letsIn, error: "a node as a route", ...natsData },
    ...{ path: ["data", "routes.conf"], value: "tls {\n verify: true }" },
  },
  {
    ...{ rule: letsIn, error: "routes in the clear", ...natsData },
    ...{ path: ["data", "routes.conf"], value: "" },
  },
];

export const plants: readonly Plant[] = [
  ...[...ofPods, ...ofObjects, ...ofNetworks, ...ofCertificates],
];

/** The objects with the error in them; the others are as they were. */
export function planted(objects: readonly Manifest[], { at, path, value }: Plant): Manifest[] {
  const found = objects.findIndex(({ kind, metadata }) => `${kind}/${metadata.name}` === at);
  const index =
    found >= 0
      ? found
      : objects.findIndex(({ kind, metadata }) => `${kind}/${metadata.name}`.startsWith(`${at}-`));
  if (index < 0) throw new Error(`${at}: expected it among the objects`);
  return objects.map((object, place) => (place === index ? changed(object, path, value) : object));
}

function changed(object: Manifest, path: Plant["path"], value: unknown): Manifest {
  const copy: Manifest = parse(stringify(object, { aliasDuplicateObjects: false }));
  const last = path.at(-1);
  let inner: unknown = copy;
  for (const key of path.slice(0, -1)) inner = Reflect.get(Object(inner), key);
  if (typeof inner !== "object" || inner === null || last === undefined) {
    throw new Error(`${path.join(".")}: expected an object there`);
  }
  if (typeof last === "string" && last.endsWith("!")) {
    const key = last.slice(0, -1);
    if (!Reflect.has(inner, key)) throw new Error(`${path.join(".")}: expected it there`);
    Reflect.deleteProperty(inner, key);
  } else Reflect.set(inner, last, value);
  return copy;
}
