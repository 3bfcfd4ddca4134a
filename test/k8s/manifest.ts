/** The parts of Kubernetes objects that the checks look at; schemas look at the rest. */

export type Labels = Readonly<Record<string, string>>;

export interface LabelSelector {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

export interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: string | number };
  readonly periodSeconds?: number;
  readonly failureThreshold?: number;
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly envFrom?: readonly { readonly configMapRef?: { readonly name: string } }[];
  readonly ports?: readonly {
    readonly name: string;
    readonly containerPort: number;
    readonly hostPort?: number;
  }[];
  readonly startupProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly resources?: { readonly requests?: Amounts; readonly limits?: Amounts };
  readonly securityContext?: {
    readonly privileged?: boolean;
    readonly allowPrivilegeEscalation?: boolean;
    readonly readOnlyRootFilesystem?: boolean;
    readonly runAsUser?: number;
    readonly runAsNonRoot?: boolean;
    readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] };
  };
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}

type Amounts = Readonly<Record<string, string | number>>;

export interface Volume {
  readonly name: string;
  readonly configMap?: { readonly name: string };
  readonly secret?: { readonly secretName: string };
  readonly persistentVolumeClaim?: { readonly claimName: string };
}

export interface PodSpec {
  readonly serviceAccountName?: string;
  readonly automountServiceAccountToken?: boolean;
  readonly enableServiceLinks?: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
  readonly securityContext?: {
    readonly runAsNonRoot?: boolean;
    readonly runAsUser?: number;
    readonly seccompProfile?: { readonly type: string };
  };
  readonly affinity?: {
    readonly nodeAffinity?: {
      readonly requiredDuringSchedulingIgnoredDuringExecution?: {
        readonly nodeSelectorTerms: readonly LabelSelector[];
      };
    };
    readonly podAntiAffinity?: unknown;
  };
  readonly topologySpreadConstraints?: readonly unknown[];
  readonly tolerations?: readonly { readonly key?: string }[];
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
  readonly volumes?: readonly Volume[];
}

export interface PodTemplate {
  readonly metadata?: { readonly labels?: Labels };
  readonly spec: PodSpec;
}

export interface Peer {
  readonly podSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
}

export interface NetworkRule {
  readonly from?: readonly Peer[];
  readonly to?: readonly Peer[];
  readonly ports?: readonly { readonly port?: number | string }[];
}

export interface Spec {
  readonly replicas?: number;
  readonly selector?: LabelSelector & Readonly<Record<string, unknown>>;
  readonly template?: PodTemplate;
  readonly strategy?: {
    readonly type?: string;
    readonly rollingUpdate?: {
      readonly maxSurge?: string | number;
      readonly maxUnavailable?: string | number;
    };
  };
  readonly leaderWorkerTemplate?: {
    readonly restartPolicy?: string;
    readonly workerTemplate?: PodTemplate;
  };
  readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
  readonly persistentVolumeClaimRetentionPolicy?: Readonly<Record<string, string>>;
  readonly podSelector?: LabelSelector;
  readonly policyTypes?: readonly string[];
  readonly ingress?: readonly NetworkRule[];
  readonly egress?: readonly NetworkRule[];
  readonly ports?: readonly { readonly targetPort?: string | number }[];
  readonly maxUnavailable?: string | number;
  readonly minAvailable?: string | number;
  readonly scaleTargetRef?: { readonly kind: string; readonly name: string };
  readonly triggers?: readonly { readonly metadata: Readonly<Record<string, string>> }[];
  readonly secretName?: string;
  readonly dnsNames?: readonly string[];
  readonly usages?: readonly string[];
  readonly duration?: string;
  readonly renewBefore?: string;
  readonly isCA?: boolean;
  readonly privateKey?: { readonly rotationPolicy?: string };
  readonly issuerRef?: { readonly name: string; readonly kind?: string };
  readonly ca?: { readonly secretName: string };
  readonly groups?: readonly {
    readonly rules: readonly {
      readonly alert: string;
      readonly expr: string;
      readonly annotations: Readonly<Record<string, string>>;
    }[];
  }[];
}

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Labels;
  };
  readonly spec?: Spec;
  readonly data?: Readonly<Record<string, string>>;
  readonly automountServiceAccountToken?: boolean;
  /** Of a role. */
  readonly rules?: readonly AccessRule[];
  /** Of its binding. */
  readonly roleRef?: { readonly kind: string; readonly name: string };
  readonly subjects?: readonly { readonly kind: string; readonly name: string }[];
}

export interface AccessRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

/** `kind/name`: what an object is called in a finding. */
export const nameOf = ({ kind, metadata }: Manifest): string => `${kind}/${metadata.name}`;

/** A workload and the pods that it makes. */
export interface Workload {
  readonly object: Manifest;
  readonly template: PodTemplate;
  readonly labels: Labels;
}

/** Those of the objects that make pods. */
export function workloadsOf(objects: readonly Manifest[]): Workload[] {
  return objects.flatMap((object) => {
    const { spec } = object;
    const template = spec?.template ?? spec?.leaderWorkerTemplate?.workerTemplate;
    return template === undefined
      ? []
      : [{ object, template, labels: template.metadata?.labels ?? {} }];
  });
}

/** Whether a selector takes in something with these labels. An empty one takes in everything. */
export function isSelected(selector: LabelSelector | undefined, labels: Labels): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {};
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      if (operator === "In") return values.includes(labels[key] ?? "");
      if (operator === "Exists") return key in labels;
      throw new Error(`selector: expected In or Exists, got ${operator}`);
    })
  );
}
