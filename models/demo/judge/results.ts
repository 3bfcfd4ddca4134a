import { appendFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { EditKind } from "../world/edits.js";
import type { Score } from "./score.js";
import type { Signs } from "./signs.js";

/** The score of one edit by one method. */
export interface Result {
  /** Names the checkpoint by its content. */
  readonly model: string;
  readonly method: string;
  /** Names the method's settings by their content: the same name may have others tomorrow. */
  readonly settings: string;
  /** Updates of the tuning; of the truth, none. */
  readonly steps: number;
  readonly set: string;
  readonly clip: string;
  readonly kind: EditKind;
  readonly seed: number;
  /** Whether the edit asks for something that training never drew. */
  readonly keepsUnseen: boolean;
  readonly score: Score;
  /** Of edits only. */
  readonly signs?: Signs;
}

type ResultKey = Pick<Result, "model" | "method" | "settings" | "clip" | "kind" | "seed">;

const keyOf = ({ model, method, settings, clip, kind, seed }: ResultKey): string =>
  JSON.stringify([model, method, settings, clip, kind, seed]);

/** Results in a file, one a line: a run that was stopped goes on where it was. */
export class Results {
  readonly #path: string;
  readonly #all = new Map<string, Result>();

  private constructor(path: string, lines: readonly Result[]) {
    this.#path = path;
    for (const line of lines) this.#all.set(keyOf(line), line);
  }

  static async open(path: string): Promise<Results> {
    await mkdir(dirname(path), { recursive: true });
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return "";
      throw error;
    });
    // A line without its end is that of a run that was stopped while writing.
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    if (whole !== text) await writeFile(path, whole);
    const lines = whole.split("\n").filter((line) => line !== "");
    return new Results(
      path,
      lines.map((line): Result => JSON.parse(line)),
    );
  }

  has(key: ResultKey): boolean {
    return this.#all.has(keyOf(key));
  }

  async add(result: Result): Promise<void> {
    await appendFile(this.#path, `${JSON.stringify(result)}\n`);
    this.#all.set(keyOf(result), result);
  }

  all(): readonly Result[] {
    return [...this.#all.values()];
  }
}
