/** Nodes are told gigabytes, of 10^9 bytes. */
const gigabyte = 1e9;

/**
 * What each node of a machine says that a pass may take of its memory: equal parts, for all of
 * them may be at work at once. Each for itself would take all that there is for its own.
 *
 * @param machineBytes  what the machine has, or as much of it as this process may have
 * @returns             for `--memory` of a node, in gigabytes; never more than the part
 */
export function memoryOfNode({
  machineBytes,
  nodeCount,
}: {
  readonly machineBytes: number;
  readonly nodeCount: number;
}): string {
  const wholeMegabytes = Math.max(1, Math.floor(machineBytes / nodeCount / 1e6));
  return `${(wholeMegabytes * 1e6) / gigabyte}`;
}
