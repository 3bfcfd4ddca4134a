/** The fields of Kubernetes objects that are read here; all others pass through. */
export interface KubeObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
}

export interface KubeList<Item> {
  readonly metadata: { readonly resourceVersion: string };
  readonly items: readonly Item[];
}
