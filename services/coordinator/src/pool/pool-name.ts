import { Code, RetakeError } from "@retake/errors";
import type { PoolTarget } from "./kubernetes-pool.js";

/** The nodes' controller, by the kind that kubectl calls it by. */
export type PoolName = Pick<PoolTarget, "kind" | "name">;

const kinds: ReadonlyMap<string, PoolTarget["kind"]> = new Map([
  ["statefulset", "stateful-set"],
  ["leaderworkerset", "leader-worker-set"],
]);

/** @throws RetakeError  `bad-option` */
export function decodePoolName(text: string, { flag }: { readonly flag: string }): PoolName {
  const [, kindText = "", name = ""] = /^([a-z]+)\/([a-z0-9][a-z0-9.-]{0,62})$/.exec(text) ?? [];
  const kind = kinds.get(kindText);
  if (kind !== undefined) return { kind, name };
  const expected = "statefulset/NAME or leaderworkerset/NAME";
  throw new RetakeError(
    Code.InvalidArgument,
    "bad-option",
    `${flag}: expected ${expected}, got ${text}`,
  );
}
