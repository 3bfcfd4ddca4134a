/** An overlay with components: what an operator can apply. */
export interface Combination {
  readonly name: string;
  /** From `deploy/k8s`. */
  readonly resource: string;
  /** From `deploy/k8s`; in the order in which they are applied. */
  readonly components: readonly string[];
}

const overlays = ["local", "gpu"] as const;
const onOff = [false, true] as const;

/**
 * Every overlay with every choice of components, and the base alone, for clusters with a NATS of
 * their own. `nats` and `weights` belong to the overlays; `keda-lws` is `keda` beside `lws`.
 */
export const combinations: readonly Combination[] = [
  { name: "base", resource: "base", components: [] },
  ...overlays.flatMap((overlay) =>
    onOff.flatMap((mtls) =>
      onOff.flatMap((lws) =>
        onOff.flatMap((kueue) =>
          onOff.flatMap((keda) =>
            onOff.map((monitoring) => combination(overlay, { mtls, lws, kueue, keda, monitoring })),
          ),
        ),
      ),
    ),
  ),
];

function combination(
  overlay: string,
  chosen: {
    readonly mtls: boolean;
    readonly lws: boolean;
    readonly kueue: boolean;
    readonly keda: boolean;
    readonly monitoring: boolean;
  },
): Combination {
  const names = [
    ...(chosen.mtls ? ["mtls"] : []),
    ...(chosen.lws ? ["lws"] : []),
    ...(chosen.kueue ? ["kueue"] : []),
    ...(chosen.keda ? [chosen.lws ? "keda-lws" : "keda"] : []),
    ...(chosen.monitoring ? ["monitoring"] : []),
  ];
  return {
    name: [overlay, ...names].join("+"),
    resource: `overlays/${overlay}`,
    components: names.map((name) => `components/${name}`),
  };
}
