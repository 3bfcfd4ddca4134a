import { Code, RetakeError } from "@retake/errors";
import { createKubeClient, type KubeClient } from "./client.js";
import { findKubernetes } from "./https-transport.js";

/** An API server, and the namespace in which all that is Retake's lies there. */
export interface KubeNamespace {
  readonly client: KubeClient;
  readonly namespace: string;
}

/**
 * Finds the API server, once for all that is asked of it.
 *
 * @param named  default: that of the service account, or of the kubeconfig's context
 * @throws RetakeError  bad-option where there is no API server, or no namespace
 */
export function openNamespace(named: string | undefined): KubeNamespace {
  const { transport, namespace: found } = findKubernetes();
  const namespace = named ?? found;
  if (namespace !== undefined) return { client: createKubeClient({ transport }), namespace };
  const message =
    "Kubernetes: expected a namespace of the service account or of the kubeconfig's context, " +
    "got none; give --kubernetes-namespace";
  throw new RetakeError(Code.InvalidArgument, "bad-option", message);
}
