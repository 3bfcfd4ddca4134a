import { Code, RetakeError } from "@retake/errors";
import type { FrameGroup } from "./frame-group.js";
import { groupPatienceMs } from "./limits.js";

/** The groups that this node has a rank in, by the name that their first rank gave them. */
export class FrameGroups {
  readonly #groups = new Map<string, FrameGroup>();
  readonly #waiting = new Map<string, Set<(group: FrameGroup) => void>>();

  add(groupId: string, group: FrameGroup): void {
    this.#groups.set(groupId, group);
    for (const tell of this.#waiting.get(groupId) ?? []) tell(group);
    this.#waiting.delete(groupId);
  }

  /** Ends a group on this node: its peers are told why. */
  remove(groupId: string, reason: RetakeError): void {
    this.#groups.get(groupId)?.close(reason);
    this.#groups.delete(groupId);
  }

  /**
   * The group of a name. A peer may know of it before this node does, so that it waits for a while.
   *
   * @throws RetakeError  `task-unknown`; the signal's reason
   */
  async find(groupId: string, signal: AbortSignal): Promise<FrameGroup> {
    const known = this.#groups.get(groupId);
    if (known !== undefined) return known;
    const waiting = this.#waiting.get(groupId) ?? new Set();
    this.#waiting.set(groupId, waiting);
    let tell: (group: FrameGroup) => void = () => {};
    let giveUp = (): void => {};
    const found = new Promise<FrameGroup>((resolve, reject) => {
      tell = resolve;
      giveUp = () => {
        const message = `group ${groupId}: expected it here, got none; open it anew`;
        reject(
          signal.aborted ? signal.reason : new RetakeError(Code.NotFound, "task-unknown", message),
        );
      };
    });
    waiting.add(tell);
    const timer = setTimeout(giveUp, groupPatienceMs);
    signal.addEventListener("abort", giveUp, { once: true });
    if (signal.aborted) giveUp();
    try {
      return await found;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
      waiting.delete(tell);
      if (waiting.size === 0) this.#waiting.delete(groupId);
    }
  }
}
