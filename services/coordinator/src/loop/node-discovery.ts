/** Where a node is, as whoever started it knows. */
export interface NodePlace {
  readonly nodeId: string;
  /** Without its port. */
  readonly address: string;
  /** The machine that it runs on. */
  readonly machine: string;
  readonly isReady: boolean;
}

/** Who knows which nodes there are, beside those that have joined. */
export interface NodeDiscovery {
  /** All that are there, joined or not. */
  places(): readonly NodePlace[];
  /** Tells of nodes that were there, and are not any more, until the signal aborts. */
  follow(options: {
    readonly onGone: (place: NodePlace) => void;
    readonly signal: AbortSignal;
  }): Promise<void>;
}

/** Nodes at addresses of their own: whatever has joined is there, until its lease runs out. */
export const joinedNodesOnly: NodeDiscovery = {
  places: () => [],
  follow: async () => {},
};
