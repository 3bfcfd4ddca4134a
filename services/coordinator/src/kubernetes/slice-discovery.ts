import type { RetakeError } from "@retake/errors";
import type { NodeDiscovery, NodePlace } from "../loop/node-discovery.js";
import { type Attendance, attendanceAfter, nobody } from "./absence.js";
import type { KubeClient } from "./client.js";
import { runInformer } from "./informer.js";
import type { KubeObject } from "./objects.js";

/** A `discovery.k8s.io/v1` EndpointSlice, as far as it is read here. */
interface EndpointSlice extends KubeObject {
  readonly endpoints?: readonly {
    readonly addresses: readonly string[];
    readonly conditions?: { readonly ready?: boolean };
    readonly nodeName?: string;
    readonly targetRef?: { readonly kind?: string; readonly name?: string };
  }[];
}

export interface SliceDiscoveryOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  /** A headless Service that takes in pods which are not ready, too. */
  readonly service: string;
  readonly relistEveryMs: number;
  readonly onError: (error: RetakeError) => void;
}

/** Nodes are the pods of a Service, ready or not: each is named as its pod. */
export function createSliceDiscovery(options: SliceDiscoveryOptions): NodeDiscovery {
  const { client, namespace, service, relistEveryMs, onError } = options;
  let attendance: Attendance = nobody;
  return {
    places: () => [...attendance.present.values()],
    follow: ({ onGone, signal }) =>
      runInformer<EndpointSlice>({
        ...{ client, relistEveryMs, onError, signal },
        collection: `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`,
        labelSelector: `kubernetes.io/service-name=${service}`,
        onItems: (slices, source) => {
          const places = [...slices.values()].flatMap(placesIn);
          const after = attendanceAfter(attendance, places, source);
          attendance = after.attendance;
          for (const place of after.gone) onGone(place);
        },
        wantsList: () => attendance.missed.size > 0,
      }),
  };
}

function placesIn({ endpoints }: EndpointSlice): NodePlace[] {
  return (endpoints ?? []).flatMap(({ addresses, conditions, nodeName = "", targetRef }) => {
    const { kind, name } = targetRef ?? {};
    const [address] = addresses;
    if (kind !== "Pod" || name === undefined || address === undefined) return [];
    // Not known is ready: so the API has it.
    return [{ nodeId: name, address, machine: nodeName, isReady: conditions?.ready !== false }];
  });
}
