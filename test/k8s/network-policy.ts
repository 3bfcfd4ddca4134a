import {
  isSelected,
  type Labels,
  type Manifest,
  type NetworkRule,
  nameOf,
  workloadsOf,
} from "./manifest.js";
import type { Policy } from "./pod-policy.js";

const policiesOf = (objects: readonly Manifest[]): Manifest[] =>
  objects.filter(({ kind }) => kind === "NetworkPolicy");

const rulesOf = ({ spec }: Manifest, direction: Direction): readonly NetworkRule[] =>
  spec?.[direction] ?? [];

/** Those who may call, by the name of their pods; and those who may be called, where. */
const flowsWanted = [
  "coordinator -> gpu-node:7071",
  "coordinator -> nats:4222",
  "gpu-node -> coordinator:7070",
  "gpu-node -> gpu-node:7071",
  "gpu-node -> nats:4222",
  "nats -> nats:6222",
];

interface Pod {
  readonly name: string;
  readonly labels: Labels;
}

function podsOf(objects: readonly Manifest[]): Pod[] {
  return workloadsOf(objects).map(({ labels }) => ({
    ...{ name: labels["app.kubernetes.io/name"] ?? "", labels },
  }));
}

type Direction = "ingress" | "egress";

/** Ports of `to` that one side's policies open to `from`: the caller's side, or the other. */
function portsBetween(
  objects: readonly Manifest[],
  { from, to }: { readonly from: Pod; readonly to: Pod },
  direction: Direction,
): number[] {
  const [pod, other] = direction === "egress" ? [from, to] : [to, from];
  return policiesOf(objects)
    .filter(({ spec }) => isSelected(spec?.podSelector, pod.labels))
    .flatMap((policy) => rulesOf(policy, direction))
    .filter((rule) =>
      (rule.from ?? rule.to ?? []).some(
        ({ podSelector, namespaceSelector }) =>
          podSelector !== undefined &&
          namespaceSelector === undefined &&
          isSelected(podSelector, other.labels),
      ),
    )
    .flatMap(({ ports = [] }) => ports.map(({ port }) => Number(port)));
}

/** Who may call whom inside the namespace, in words, as one side's policies say. */
export function flowsOf(objects: readonly Manifest[], direction: Direction): string[] {
  const pods = podsOf(objects);
  return pods
    .flatMap((from) =>
      pods.flatMap((to) =>
        portsBetween(objects, { from, to }, direction).map(
          (port) => `${from.name} -> ${to.name}:${port}`,
        ),
      ),
    )
    .sort();
}

export const networkPolicies: readonly Policy[] = [
  {
    name: "whatever is not allowed is denied, both ways",
    findings: (objects) => {
      const isThere = policiesOf(objects).some(
        ({ spec }) =>
          Object.keys(spec?.podSelector ?? { none: true }).length === 0 &&
          spec?.policyTypes?.includes("Ingress") &&
          spec.policyTypes.includes("Egress") &&
          spec.ingress === undefined &&
          spec.egress === undefined,
      );
      return isThere ? [] : ["expected a policy for all pods that allows nothing"];
    },
  },
  {
    name: "every pod has a policy of its own",
    findings: (objects) =>
      podsOf(objects).flatMap(({ name, labels }) => {
        const own = policiesOf(objects).filter(
          ({ spec }) =>
            Object.keys(spec?.podSelector?.matchLabels ?? {}).length > 0 &&
            isSelected(spec?.podSelector, labels),
        );
        return own.length > 0 ? [] : [`${name}: none selects it`];
      }),
  },
  {
    name: "a network rule names who and where",
    findings: (objects) =>
      policiesOf(objects).flatMap((policy) =>
        [...rulesOf(policy, "ingress"), ...rulesOf(policy, "egress")].flatMap((rule) => {
          const peers = rule.from ?? rule.to ?? [];
          const isNamed = peers.length > 0 && peers.every((peer) => Object.keys(peer).length > 0);
          const hasPorts = (rule.ports ?? []).length > 0;
          return isNamed && hasPorts ? [] : [`${nameOf(policy)}: a rule is open to all`];
        }),
      ),
  },
  {
    name: "pods may call whom they must, and nobody else",
    findings: (objects) => {
      const names = new Set(podsOf(objects).map(({ name }) => name));
      const wanted = flowsWanted.filter((flow) => {
        const [from = "", to = ""] = flow.split(/ -> |:/);
        return names.has(from) && names.has(to);
      });
      return (["ingress", "egress"] as const).flatMap((direction) => {
        const found = new Set(flowsOf(objects, direction));
        return [
          ...wanted.filter((flow) => !found.has(flow)).map((flow) => `${flow}: not allowed`),
          ...[...found].filter((flow) => !wanted.includes(flow)).map((flow) => `${flow}: allowed`),
        ].map((finding) => `${direction}: ${finding}`);
      });
    },
  },
  {
    name: "an address of the cluster cannot be reached by a block of addresses",
    findings: (objects) =>
      policiesOf(objects).flatMap((policy) =>
        rulesOf(policy, "egress").flatMap(({ to = [], ports = [] }) =>
          to.flatMap(({ ipBlock }) => {
            // The API server's, which no label names: by coordinators, and at its ports only.
            const isApiServer =
              policy.metadata.name === "coordinator-to-api-server" &&
              ports.every(({ port }) => port === 443 || port === 6443);
            if (isApiServer && ipBlock?.cidr !== "0.0.0.0/0") return [];
            const kept = new Set(ipBlock?.except);
            const inner = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"];
            const isClosed = ipBlock === undefined || inner.every((block) => kept.has(block));
            return isClosed
              ? []
              : [`${nameOf(policy)}: expected ${inner.join(", ")} to be left out`];
          }),
        ),
      ),
  },
];
