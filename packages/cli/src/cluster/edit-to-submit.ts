import { badUsage, type PartialSettings, wholeNumber } from "@retake/coordinator/settings";

export const layoutNames = ["auto", "one", "prompts", "branches", "frames", "draws"] as const;
export type LayoutName = (typeof layoutNames)[number];

export const prioritySpec = wholeNumber({
  ...{ flags: "--priority <number>", help: "larger goes first among yours, 0 to 9", fallback: 0 },
  ...{ min: 0, max: 9 },
});

/** An edit as a person asks for it, beside its video. */
export interface EditToSubmit {
  readonly source: string;
  readonly prompts: readonly string[];
  readonly negative: string;
  /** By name or hash; empty for the only one. */
  readonly model: string;
  readonly priority: number;
  readonly layout: LayoutName;
  readonly settings: PartialSettings;
  /** 0 for the coordinator's own. */
  readonly snapshotEverySteps: number;
  /** From when it is sent; 0 for any time. */
  readonly startWithinMs: number;
  readonly finishWithinMs: number;
}

/** @throws RetakeError  `bad-option` for a name that is no layout's */
export function layoutOf(name: unknown, label: string): LayoutName {
  const found = layoutNames.find((known) => known === name);
  if (found !== undefined) return found;
  throw badUsage(label, { expected: `one of ${layoutNames.join(", ")}`, got: String(name) });
}
