/**
 * Schemas of the kinds that others bring, written down from their published types: the fields that
 * Retake uses, and their neighbours. A field that is not named here is refused.
 */

const pod = { $ref: "#/$defs/io.k8s.api.core.v1.PodTemplateSpec" };
const metadata = { $ref: "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta" };
const labelSelector = { $ref: "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector" };
const text = { type: "string", minLength: 1 };
const count = { type: "integer", minimum: 0 };
const duration = { type: "string", pattern: "^([0-9]+(ms|s|m|h|d|w|y))+$" };
const countOrPercent = { oneOf: [count, { type: "string", pattern: "^[0-9]+%$" }] };
const texts = { type: "object", additionalProperties: { type: "string" } };

interface Fields {
  readonly [name: string]: unknown;
}

/** An object with these fields and no others. */
const only = (properties: Fields, required: readonly string[] = []) => ({
  type: "object",
  properties,
  required,
  additionalProperties: false,
});

const objectOf = (about: { apiVersion: string; kind: string }, spec: unknown) =>
  only({ apiVersion: { const: about.apiVersion }, kind: { const: about.kind }, metadata, spec }, [
    "apiVersion",
    "kind",
    "metadata",
    "spec",
  ]);

const endpoint = {
  port: text,
  path: { type: "string", pattern: "^/" },
  scheme: { enum: ["http", "https"] },
  interval: duration,
  scrapeTimeout: duration,
  honorLabels: { type: "boolean" },
};

const monitor = {
  jobLabel: text,
  podTargetLabels: { type: "array", items: text },
  selector: labelSelector,
  sampleLimit: count,
};

const rule = only({ alert: text, expr: text, for: duration, labels: texts, annotations: texts }, [
  "alert",
  "expr",
]);

const leaderWorkerTemplate = only(
  {
    ...{ leaderTemplate: pod, workerTemplate: pod, size: { type: "integer", minimum: 1 } },
    restartPolicy: {
      enum: ["Default", "RecreateGroupOnPodRestart", "RecreateGroupAfterStart", "None"],
    },
  },
  ["workerTemplate"],
);

const rollingUpdateConfiguration = only({
  ...{ partition: count, maxUnavailable: countOrPercent, maxSurge: countOrPercent },
});

const scaledObject = only(
  {
    scaleTargetRef: only({ apiVersion: text, kind: text, name: text }, ["name"]),
    ...{ pollingInterval: count, cooldownPeriod: count, initialCooldownPeriod: count },
    ...{ idleReplicaCount: count, minReplicaCount: count, maxReplicaCount: count },
    advanced: only({
      restoreToOriginalReplicaCount: { type: "boolean" },
      horizontalPodAutoscalerConfig: only({
        name: text,
        behavior: { $ref: "#/$defs/io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerBehavior" },
      }),
    }),
    triggers: {
      type: "array",
      minItems: 1,
      items: only(
        {
          type: { const: "prometheus" },
          ...{ name: text, metricType: { enum: ["AverageValue", "Value"] } },
          metadata: only(
            {
              ...{ serverAddress: text, query: text, threshold: text, namespace: text },
              ...{ activationThreshold: text, ignoreNullValues: { enum: ["true", "false"] } },
            },
            ["serverAddress", "query", "threshold"],
          ),
        },
        ["type", "metadata"],
      ),
    },
  },
  ["scaleTargetRef", "triggers"],
);

/** cert-manager takes Go's durations only: no days. */
const goDuration = { type: "string", pattern: "^([0-9]+(h|m|s))+$" };

const certificate = only(
  {
    ...{ secretName: text, commonName: text, isCA: { type: "boolean" } },
    ...{ dnsNames: list(text), duration: goDuration, renewBefore: goDuration },
    secretTemplate: only({ annotations: texts, labels: texts }),
    usages: list({
      enum: ["digital signature", "key encipherment", "cert sign", "server auth", "client auth"],
    }),
    privateKey: only({
      ...{
        algorithm: { enum: ["RSA", "ECDSA", "Ed25519"] },
        encoding: { enum: ["PKCS1", "PKCS8"] },
      },
      ...{ size: count, rotationPolicy: { enum: ["Never", "Always"] } },
    }),
    issuerRef: only(
      {
        name: text,
        kind: { enum: ["Issuer", "ClusterIssuer"] },
        group: { const: "cert-manager.io" },
      },
      ["name"],
    ),
    revisionHistoryLimit: { type: "integer", minimum: 1 },
  },
  ["secretName", "issuerRef"],
);

const issuer = {
  ...only({ selfSigned: only({}), ca: only({ secretName: text }, ["secretName"]) }),
  ...{ minProperties: 1, maxProperties: 1 },
};

/** By `apiVersion/kind`. */
export const customSchemas: Readonly<Record<string, unknown>> = {
  "leaderworkerset.x-k8s.io/v1/LeaderWorkerSet": objectOf(
    { apiVersion: "leaderworkerset.x-k8s.io/v1", kind: "LeaderWorkerSet" },
    only(
      {
        ...{ replicas: count, leaderWorkerTemplate },
        rolloutStrategy: only({ type: { const: "RollingUpdate" }, rollingUpdateConfiguration }, [
          "type",
        ]),
        startupPolicy: { enum: ["LeaderCreated", "LeaderReady"] },
        networkConfig: only({ subdomainPolicy: { enum: ["Shared", "UniquePerReplica"] } }),
      },
      ["leaderWorkerTemplate"],
    ),
  ),
  "cert-manager.io/v1/Certificate": objectOf(
    { apiVersion: "cert-manager.io/v1", kind: "Certificate" },
    certificate,
  ),
  "cert-manager.io/v1/Issuer": objectOf(
    { apiVersion: "cert-manager.io/v1", kind: "Issuer" },
    issuer,
  ),
  "keda.sh/v1alpha1/ScaledObject": objectOf(
    { apiVersion: "keda.sh/v1alpha1", kind: "ScaledObject" },
    scaledObject,
  ),
  "monitoring.coreos.com/v1/ServiceMonitor": objectOf(
    { apiVersion: "monitoring.coreos.com/v1", kind: "ServiceMonitor" },
    only(
      { ...monitor, targetLabels: { type: "array" }, endpoints: list(only(endpoint, ["port"])) },
      ["selector", "endpoints"],
    ),
  ),
  "monitoring.coreos.com/v1/PodMonitor": objectOf(
    { apiVersion: "monitoring.coreos.com/v1", kind: "PodMonitor" },
    only({ ...monitor, podMetricsEndpoints: list(only(endpoint, ["port"])) }, [
      "selector",
      "podMetricsEndpoints",
    ]),
  ),
  "monitoring.coreos.com/v1/PrometheusRule": objectOf(
    { apiVersion: "monitoring.coreos.com/v1", kind: "PrometheusRule" },
    only({ groups: list(only({ name: text, interval: duration, rules: list(rule) }, ["name"])) }, [
      "groups",
    ]),
  ),
};

function list(items: unknown) {
  return { type: "array", minItems: 1, items };
}
