import { type AccessRule, isSelected, type Manifest, nameOf, workloadsOf } from "./manifest.js";
import type { Policy } from "./pod-policy.js";

/** Judges every object. */
const objectPolicy = (
  name: string,
  judge: (object: Manifest, objects: readonly Manifest[]) => string | undefined,
): Policy => ({
  name,
  findings: (objects) =>
    objects.flatMap((object) => {
      const problem = judge(object, objects);
      return problem === undefined ? [] : [`${nameOf(object)}: ${problem}`];
    }),
});

/** Judges the whole. */
const wholePolicy = (
  name: string,
  judge: (objects: readonly Manifest[]) => string | undefined,
): Policy => ({
  name,
  findings: (objects) => {
    const problem = judge(objects);
    return problem === undefined ? [] : [problem];
  },
});

const labelsNeeded = ["name", "instance", "version", "component", "part-of", "managed-by"];
/** What never changes of an object: a selector cannot be changed later. */
const lastingLabels = new Set(["app.kubernetes.io/name", "app.kubernetes.io/part-of"]);
/** Of one pod of the coordinator's, for as long as its process leads. */
const leads = "retake.dev/leads";
const policyLevels = ["enforce", "audit", "warn"];

const accessNeeded = new Set([
  ...["get leases coordinator", "update leases coordinator"],
  ...["list endpointslices", "watch endpointslices"],
  ...["get statefulsets/scale gpu-node", "patch statefulsets/scale gpu-node"],
  ...["get leaderworkersets/scale gpu-node", "patch leaderworkersets/scale gpu-node"],
  ...["get pods", "list pods", "watch pods", "patch pods/status", "create events"],
]);
/** Of what lies in no namespace: machines, to look at. */
const clusterAccessNeeded = new Set(["get nodes", "list nodes", "watch nodes"]);

const accessesOf = ({ resources, verbs, resourceNames = [""] }: AccessRule): string[] =>
  verbs.flatMap((verb) =>
    resources.flatMap((resource) =>
      resourceNames.map((name) => `${verb} ${resource} ${name}`.trim()),
    ),
  );

const identity: readonly Policy[] = [
  objectPolicy("an object has the recommended labels", ({ metadata: { labels = {} } }) => {
    const missing = labelsNeeded.filter((name) => !labels[`app.kubernetes.io/${name}`]);
    return missing.length === 0 ? undefined : `no ${missing.join(", no ")}`;
  }),
  objectPolicy("an object lies in the namespace", ({ kind, metadata }) =>
    /^(Namespace$|Cluster)/.test(kind) || metadata.namespace === "retake"
      ? undefined
      : "expected retake",
  ),
  wholePolicy("no object is there twice", (objects) => {
    const names = objects.map(nameOf);
    return names.find((name, index) => names.indexOf(name) !== index);
  }),
  wholePolicy("the namespace is restricted, by a version that is named", (objects) => {
    const labels = objects.find(({ kind }) => kind === "Namespace")?.metadata.labels ?? {};
    const isRestricted = policyLevels.every(
      (level) =>
        labels[`pod-security.kubernetes.io/${level}`] === "restricted" &&
        /^v1\.\d+$/.test(labels[`pod-security.kubernetes.io/${level}-version`] ?? ""),
    );
    return isRestricted ? undefined : "Namespace: expected it on all three levels";
  }),
  objectPolicy("coordinators have roles of what they need; nobody has another", (object) => {
    const { kind, metadata, rules = [], subjects = [] } = object;
    if (!/^(Cluster)?Role(Binding)?$/.test(kind)) return undefined;
    const isOfCluster = kind.startsWith("Cluster");
    const own = isOfCluster ? ["retake-coordinator"] : ["coordinator", "coordinator-pool"];
    const isOurs = own.includes(metadata.name);
    const needed = isOfCluster ? clusterAccessNeeded : accessNeeded;
    const surplus = rules.flatMap(accessesOf).find((access) => !needed.has(access));
    const other = subjects.find(({ name }) => name !== "coordinator");
    if (surplus !== undefined) return `${surplus} is not needed`;
    return isOurs && other === undefined ? undefined : "expected the coordinator's only";
  }),
  objectPolicy("no secret is in the repository", ({ kind }) =>
    kind === "Secret" ? "expected the operator to make it" : undefined,
  ),
  objectPolicy("an account mounts no token", ({ kind, automountServiceAccountToken }) =>
    kind === "ServiceAccount" && automountServiceAccountToken !== false ? "it does" : undefined,
  ),
];

const selectorsOf = ({ kind, spec }: Manifest) => {
  if (kind === "Job") return [];
  return [kind === "Service" ? { matchLabels: spec?.selector } : spec?.selector].flatMap(
    (selector) => (selector === undefined ? [] : [selector]),
  );
};

const links: readonly Policy[] = [
  objectPolicy("a workload's selector is of labels that last, and takes in its pods", (object) => {
    const { kind, spec } = object;
    if (kind !== "Deployment" && kind !== "StatefulSet") return undefined;
    const keys = Object.keys(spec?.selector?.matchLabels ?? {});
    const isLasting = keys.length > 0 && keys.every((key) => lastingLabels.has(key));
    const [workload] = workloadsOf([object]);
    const isOwn = isSelected(spec?.selector, workload?.labels ?? {});
    return isLasting && isOwn ? undefined : `expected name and part-of, got ${keys.join(", ")}`;
  }),
  objectPolicy("a service finds pods, and a port of theirs", (object, objects) => {
    if (object.kind !== "Service") return undefined;
    const [selector] = selectorsOf(object);
    const { [leads]: _, ...lasting } = Object(selector?.matchLabels);
    const found = workloadsOf(objects).filter(({ labels }) =>
      isSelected({ matchLabels: lasting }, labels),
    );
    const names = found.flatMap(({ template }) =>
      template.spec.containers.flatMap(({ ports = [] }) => ports.map(({ name }) => name)),
    );
    const missing = object.spec?.ports?.find(({ targetPort }) => !names.includes(`${targetPort}`));
    return missing && `no pod has ${missing.targetPort}`;
  }),
  wholePolicy("calls go to who leads, whom no manifest can know", (objects) => {
    const choosing = objects.filter(
      ({ kind, spec }) => kind === "Service" && Object(spec?.selector)[leads] === "true",
    );
    if (choosing.map(nameOf).join() !== "Service/coordinator") return "expected of one Service";
    return workloadsOf(objects).some(({ labels }) => leads in labels)
      ? "a pod has it from its template"
      : undefined;
  }),
  wholePolicy("what a pod names is there", (objects) => {
    const known = new Set(objects.map(nameOf));
    const named = workloadsOf(objects).flatMap(({ template: { spec } }) => [
      `ServiceAccount/${spec.serviceAccountName}`,
      ...(spec.volumes ?? []).flatMap(({ configMap, persistentVolumeClaim: claim }) => [
        ...(configMap === undefined ? [] : [`ConfigMap/${configMap.name}`]),
        ...(claim === undefined ? [] : [`PersistentVolumeClaim/${claim.claimName}`]),
      ]),
      ...[...spec.containers, ...(spec.initContainers ?? [])].flatMap(({ envFrom = [] }) =>
        envFrom.map(({ configMapRef }) => `ConfigMap/${configMapRef?.name}`),
      ),
    ]);
    return named.find((name) => !known.has(name));
  }),
  objectPolicy("settings have a suffix from their content", ({ kind, metadata }) => {
    const isDashboard = metadata.labels?.["app.kubernetes.io/component"] === "dashboard";
    if (kind !== "ConfigMap" || isDashboard) return undefined;
    return /-[a-z0-9]{10}$/.test(metadata.name) ? undefined : "expected one";
  }),
  wholePolicy("an argument names variables that its container has", (objects) => {
    const settings = new Map(objects.map((object) => [nameOf(object), object.data ?? {}]));
    for (const { template } of workloadsOf(objects)) {
      for (const { args = [], env = [], envFrom = [], name } of template.spec.containers) {
        const known = new Set([
          ...env.map((variable) => variable.name),
          ...envFrom.flatMap(({ configMapRef }) =>
            Object.keys(settings.get(`ConfigMap/${configMapRef?.name}`) ?? {}),
          ),
        ]);
        const named = args.flatMap((arg) => [...arg.matchAll(/\$\(([^)]*)\)/g)].map(([, n]) => n));
        const missing = named.find((variable) => !known.has(variable ?? ""));
        if (missing !== undefined) return `${name}: $(${missing}) is not set`;
      }
    }
    return undefined;
  }),
];

const replicated = new Set(["Deployment", "StatefulSet", "LeaderWorkerSet"]);

const survival: readonly Policy[] = [
  wholePolicy("each workload has one disruption budget", (objects) => {
    const budgets = objects.filter(({ kind }) => kind === "PodDisruptionBudget");
    const wrong = workloadsOf(objects)
      .filter(({ object }) => replicated.has(object.kind))
      .find(
        ({ labels }) =>
          budgets.filter(({ spec }) => isSelected(spec?.selector, labels)).length !== 1,
      );
    return wrong && nameOf(wrong.object);
  }),
  objectPolicy("a budget lets a machine be drained", ({ kind, spec }) => {
    if (kind !== "PodDisruptionBudget") return undefined;
    const isPassable = spec?.minAvailable === undefined && !/^0/.test(`${spec?.maxUnavailable}`);
    return isPassable ? undefined : "expected maxUnavailable, of 1 or more";
  }),
  wholePolicy("two coordinators apart, of whom neither goes before a third can lead", (objects) => {
    const { spec } = objects.find((one) => nameOf(one) === "Deployment/coordinator") ?? {};
    const budget = objects.find((one) => nameOf(one) === "PodDisruptionBudget/coordinator");
    const { type, rollingUpdate = {} } = spec?.strategy ?? {};
    const isRolled = type === "RollingUpdate" && rollingUpdate.maxUnavailable === 0;
    const isGuarded = budget?.spec?.maxUnavailable === 1 && rollingUpdate.maxSurge === 1;
    const isApart = (spec?.template?.spec.topologySpreadConstraints ?? []).length > 0;
    const isRight = spec?.replicas === 2 && isRolled && isGuarded && isApart;
    return isRight ? undefined : "coordinator";
  }),
  wholePolicy(
    "NATS has three servers apart, keeps its data, and flushes every write",
    (objects) => {
      const nats = objects.find((one) => nameOf(one) === "StatefulSet/nats");
      if (nats === undefined) return undefined;
      const {
        replicas,
        template,
        persistentVolumeClaimRetentionPolicy: kept = {},
      } = nats.spec ?? {};
      const config = objects.find(({ metadata }) => metadata.name.startsWith("nats-config-"));
      const text = config?.data?.["nats.conf"] ?? "";
      const isRight =
        replicas === 3 &&
        template?.spec.affinity?.podAntiAffinity !== undefined &&
        Object.values(kept).every((policy) => policy === "Retain") &&
        /jetstream \{[^}]*sync_interval: always/.test(text) &&
        [0, 1, 2].every((index) => text.includes(`nats://nats-${index}.nats:6222`));
      return isRight ? undefined : "nats";
    },
  ),
  objectPolicy("a group is not started anew for one pod", ({ kind, spec }) =>
    kind === "LeaderWorkerSet" && spec?.leaderWorkerTemplate?.restartPolicy !== "None"
      ? "expected restartPolicy None"
      : undefined,
  ),
  wholePolicy("a scaler finds its pool, which says no number of its own", (objects) => {
    const scaler = objects.find(({ kind }) => kind === "ScaledObject");
    const { kind, name } = scaler?.spec?.scaleTargetRef ?? {};
    if (scaler === undefined) return undefined;
    const pool = objects.find((one) => nameOf(one) === `${kind}/${name}`);
    return pool !== undefined && pool.spec?.replicas === undefined ? undefined : `${kind}/${name}`;
  }),
  wholePolicy("there is one pool of nodes", (objects) => {
    const pools = workloadsOf(objects).filter(
      ({ labels }) => labels["app.kubernetes.io/component"] === "pool",
    );
    return pools.length === 1 ? undefined : `${pools.length} pools`;
  }),
];

export const objectPolicies: readonly Policy[] = [...identity, ...links, ...survival];
