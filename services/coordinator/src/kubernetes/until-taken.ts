import { RetakeError } from "@retake/errors";

/**
 * Reads and writes an object until nobody else was faster. Each try reads anew: it may find that
 * there is nothing left to write.
 *
 * @param conflictsMax  tries that may be lost to others, before the conflict is thrown
 */
export async function untilTaken<Result>(
  conflictsMax: number,
  readAndWrite: () => Promise<Result>,
): Promise<Result> {
  for (let conflicts = 0; ; conflicts += 1) {
    try {
      return await readAndWrite();
    } catch (thrown) {
      const isConflict = thrown instanceof RetakeError && thrown.reason === "kubernetes-conflict";
      if (!isConflict || conflicts >= conflictsMax) throw thrown;
    }
  }
}
