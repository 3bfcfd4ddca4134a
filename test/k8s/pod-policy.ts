import {
  type Container,
  type Manifest,
  nameOf,
  type PodSpec,
  type Probe,
  type Workload,
  workloadsOf,
} from "./manifest.js";

/** A rule of this repository for what is applied to a cluster: it gives what breaks it. */
export interface Policy {
  readonly name: string;
  readonly findings: (objects: readonly Manifest[]) => string[];
}

const containersOf = ({ containers, initContainers = [] }: PodSpec): readonly Container[] => [
  ...initContainers,
  ...containers,
];

/** Judges every pod. */
const podPolicy = (
  name: string,
  judge: (spec: PodSpec, workload: Workload) => string | undefined,
): Policy => ({
  name,
  findings: (objects) =>
    workloadsOf(objects).flatMap((workload) => {
      const problem = judge(workload.template.spec, workload);
      return problem === undefined ? [] : [`${nameOf(workload.object)}: ${problem}`];
    }),
});

/** Judges every container, those that run before the others too. */
const containerPolicy = (
  name: string,
  judge: (container: Container, workload: Workload) => string | undefined,
): Policy => ({
  name,
  findings: (objects) =>
    workloadsOf(objects).flatMap((workload) =>
      containersOf(workload.template.spec).flatMap((container) => {
        const problem = judge(container, workload);
        const place = `${nameOf(workload.object)}, ${container.name}`;
        return problem === undefined ? [] : [`${place}: ${problem}`];
      }),
    ),
});

/** Judges the probes of what runs for long: a Job has none. */
const probePolicy = (
  name: string,
  judge: (container: Container, workload: Workload) => string | undefined,
): Policy =>
  containerPolicy(name, (container, workload) => {
    const { object, template } = workload;
    const isLong = object.kind !== "Job" && template.spec.containers.includes(container);
    return isLong ? judge(container, workload) : undefined;
  });

const saysUnless = (isRight: boolean | undefined, problem: string): string | undefined =>
  isRight === true ? undefined : problem;

const volumeKinds = new Set([
  ...["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral"],
  ...["persistentVolumeClaim", "projected", "secret"],
]);

/** What Pod Security calls "restricted", and what it leaves open. */
const restricted: readonly Policy[] = [
  podPolicy("a pod does not run as root", ({ securityContext: { runAsNonRoot, runAsUser } = {} }) =>
    saysUnless(runAsNonRoot && (runAsUser ?? 0) > 0, "expected runAsNonRoot and a user's number"),
  ),
  containerPolicy("no container takes root back", ({ securityContext = {} }) =>
    saysUnless(
      securityContext.runAsNonRoot !== false && securityContext.runAsUser !== 0,
      "expected what the pod says",
    ),
  ),
  podPolicy("a pod has the runtime's seccomp profile", ({ securityContext }) =>
    saysUnless(securityContext?.seccompProfile?.type === "RuntimeDefault", "expected it"),
  ),
  containerPolicy("no container gains privileges", ({ securityContext = {} }) =>
    saysUnless(
      securityContext.allowPrivilegeEscalation === false && securityContext.privileged !== true,
      "expected allowPrivilegeEscalation: false",
    ),
  ),
  containerPolicy("every capability is dropped", ({ securityContext: { capabilities } = {} }) =>
    saysUnless(
      capabilities?.drop?.includes("ALL") && (capabilities.add ?? []).length === 0,
      "expected drop: [ALL], and none added",
    ),
  ),
  containerPolicy("the root file system is read-only", ({ securityContext }) =>
    saysUnless(securityContext?.readOnlyRootFilesystem, "expected readOnlyRootFilesystem"),
  ),
  podPolicy("a pod has no part of its host", ({ hostNetwork, hostPID, hostIPC, containers }) => {
    const hasPort = containers.some(({ ports = [] }) =>
      ports.some(({ hostPort }) => hostPort !== undefined),
    );
    return saysUnless(!(hostNetwork || hostPID || hostIPC || hasPort), "expected none");
  }),
  podPolicy("volumes are of kinds that cannot leave the pod", ({ volumes = [] }) => {
    const kinds = volumes.flatMap((volume) => Object.keys(volume).filter((key) => key !== "name"));
    const other = kinds.find((kind) => !volumeKinds.has(kind));
    return other === undefined ? undefined : `${other} is not one`;
  }),
  podPolicy(
    "a pod has an account of its own, a coordinator a token, and none variables of services",
    ({ serviceAccountName = "default", automountServiceAccountToken, enableServiceLinks }) =>
      saysUnless(
        serviceAccountName !== "default" &&
          automountServiceAccountToken === (serviceAccountName === "coordinator") &&
          enableServiceLinks === false,
        "expected all three",
      ),
  ),
];

const amountsNeeded = ["cpu", "memory", "ephemeral-storage"] as const;

const resources: readonly Policy[] = [
  containerPolicy("a container has requests and limits", ({ resources = {} }) => {
    const missing = amountsNeeded.filter(
      (name) => resources.limits?.[name] === undefined || resources.requests?.[name] === undefined,
    );
    return missing.length === 0 ? undefined : `no ${missing.join(", no ")}`;
  }),
  containerPolicy("an image has a version, and it is not latest", ({ image }) => {
    const version = /^[^@\s]*:([^:/@\s]+)(@sha256:[0-9a-f]{64})?$/.exec(image)?.[1];
    return saysUnless(version !== undefined && version !== "latest", `${image} has none`);
  }),
  podPolicy("a pod has time to end its work", (spec, { object }) => {
    const seconds = spec.terminationGracePeriodSeconds ?? 0;
    const least = object.metadata.name === "gpu-node" ? 120 : 30;
    return saysUnless(seconds >= least, `expected ${least} s or more, got ${seconds}`);
  }),
  podPolicy("what is mounted is there", (spec, { object }) => {
    const claims = object.spec?.volumeClaimTemplates ?? [];
    const known = new Set([
      ...(spec.volumes ?? []).map(({ name }) => name),
      ...claims.map(({ metadata }) => metadata.name),
    ]);
    const mounts = containersOf(spec).flatMap(({ volumeMounts = [] }) => volumeMounts);
    const missing = mounts.find(({ name }) => !known.has(name));
    return missing && `${missing.name} is no volume`;
  }),
  podPolicy("a pod with a GPU says which, and goes where they are", (spec) => {
    const hasGpu = spec.containers.some(({ resources = {} }) =>
      Object.keys({ ...resources.limits, ...resources.requests }).includes("nvidia.com/gpu"),
    );
    if (!hasGpu) return undefined;
    const { requiredDuringSchedulingIgnoredDuringExecution: required } =
      spec.affinity?.nodeAffinity ?? {};
    const terms = required?.nodeSelectorTerms ?? [];
    const isOfProduct = terms.some(({ matchExpressions = [] }) =>
      matchExpressions.some(
        ({ key, values }) => key === "nvidia.com/gpu.product" && values?.length === 1,
      ),
    );
    const isTolerant = (spec.tolerations ?? []).some(({ key }) => key === "nvidia.com/gpu");
    return saysUnless(isOfProduct && isTolerant, "expected one product, and the toleration");
  }),
  containerPolicy("GPUs are whole, and the request is the limit", ({ resources = {} }) => {
    const limit = resources.limits?.["nvidia.com/gpu"];
    const request = resources.requests?.["nvidia.com/gpu"] ?? limit;
    const isWhole = limit === undefined || /^[1-9]\d*$/.test(`${limit}`);
    return saysUnless(isWhole && request === limit, `expected a count, got ${request}, ${limit}`);
  }),
];

const targetOf = ({ httpGet }: Probe = {}): string => JSON.stringify(httpGet);

/** Answers that say only that the event loop turns. `js-enabled-only` asks no other server. */
const pathsOfLife = new Set(["/livez", "/healthz?js-enabled-only=true"]);

const probes: readonly Policy[] = [
  probePolicy("startup, readiness and liveness are asked for", (container) =>
    saysUnless(
      [container.startupProbe, container.readinessProbe, container.livenessProbe].every(
        (probe) => probe?.httpGet !== undefined,
      ),
      "expected all three, over HTTP: the kubelet asks by gRPC in the clear only",
    ),
  ),
  probePolicy("readiness and liveness do not mean the same", (container) =>
    saysUnless(
      targetOf(container.readinessProbe) !== targetOf(container.livenessProbe),
      "expected two questions",
    ),
  ),
  // A coordinator that waits, and a node that drains, are not ready.
  probePolicy("liveness depends on nothing outside the process", ({ livenessProbe }) =>
    saysUnless(pathsOfLife.has(livenessProbe?.httpGet?.path ?? ""), "expected the event loop only"),
  ),
  probePolicy("liveness is slower to give up than readiness", (container) => {
    const patience = ({ periodSeconds = 10, failureThreshold = 3 }: Probe = {}) =>
      periodSeconds * failureThreshold;
    const { livenessProbe, readinessProbe } = container;
    return saysUnless(patience(livenessProbe) > patience(readinessProbe), "expected more patience");
  }),
  probePolicy("a probe asks at a port that is there", (container) => {
    const { ports = [], startupProbe, readinessProbe, livenessProbe } = container;
    const known = new Set(ports.flatMap(({ name, containerPort }) => [name, containerPort]));
    const asked = [startupProbe, readinessProbe, livenessProbe].flatMap((probe) =>
      probe?.httpGet === undefined ? [] : [probe.httpGet.port],
    );
    const missing = asked.find((port) => !known.has(port));
    return missing === undefined ? undefined : `${missing} is not one of its ports`;
  }),
];

export const podPolicies: readonly Policy[] = [...restricted, ...resources, ...probes];
