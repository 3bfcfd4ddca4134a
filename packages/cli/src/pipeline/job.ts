import type { PartialSettings } from "@retake/coordinator/settings";

/** What a command line asks for, checked but not begun. */
export interface Job {
  readonly command: "edit" | "tune" | "invert" | "sample";
  readonly clipPath: string;
  /** What the clip shows; needed to tune. */
  readonly source: string | undefined;
  /** What it should show. */
  readonly prompts: readonly string[];
  /** What it should not show. */
  readonly negative: string;
  readonly model: {
    readonly source: string;
    readonly revision: string | undefined;
    readonly offline: boolean;
  };
  /** The settings that were given; the others come from the card, or the paper. */
  readonly given: PartialSettings;
  /** A delta to use instead of tuning. */
  readonly deltaPath: string | undefined;
  /** Inverted latents to use instead of inverting. */
  readonly latentsPath: string | undefined;
  readonly outPath: string;
  readonly useCache: boolean;
  readonly snapshotEvery: number;
  /** Whether all steps are kept, or those of them after which the clip comes back best. */
  readonly stop: "steps" | "auto";
  readonly resume: boolean;
  readonly dryRun: boolean;
  /** What a manifest says the clip and the model were. */
  readonly expected: JobExpectation | undefined;
}

export interface JobExpectation {
  readonly clipSha256: string;
  readonly modelHash: string;
  readonly numericsId: string;
}

/** What a finished command tells: the same on a page as in JSON. */
export interface JobResult {
  readonly command: Job["command"];
  readonly out: string;
  /** Absolute paths by what they are. */
  readonly files: Readonly<Record<string, string>>;
  readonly seconds: number;
}
