import { ShapeError } from "@retake/errors";

/**
 * The sum of the gradients of consecutive draws that make up one complete subtree: `drawCount` is
 * a power of two, and `firstDraw` a multiple of it.
 */
export interface DrawSum {
  readonly firstDraw: number;
  readonly drawCount: number;
  /** Float32, one value per element of the flat trainable vector. */
  readonly sum: Float32Array;
}

/**
 * Adds up whatever sums belong together, and returns the largest subtrees that are then complete,
 * by draw. A node calls it after each draw, and sends what is left at the end of its draws.
 *
 *     [0..1] + [2..3] = [0..3]; never [1..2], whoever computed them
 *
 * The tree over the draws is fixed, so that any division of draws over nodes adds the same numbers
 * in the same order and gives the same bits.
 *
 * @param sums  each draw in at most one of them; the arrays may be overwritten, and belong to the
 *              result afterwards
 * @throws ShapeError  if a sum is no subtree, draws overlap, or lengths differ
 */
export function mergedDrawSums(sums: readonly DrawSum[]): readonly DrawSum[] {
  const stack: DrawSum[] = [];
  for (const next of sums.toSorted((a, b) => a.firstDraw - b.firstDraw)) {
    assertSubtree(next, stack.at(-1));
    let merged = next;
    for (let left = stack.at(-1); left !== undefined; left = stack.at(-1)) {
      if (!isSibling(left, merged)) break;
      stack.pop();
      merged = { ...left, drawCount: 2 * left.drawCount, sum: addedTo(left.sum, merged.sum) };
    }
    stack.push(merged);
  }
  return stack;
}

/**
 * The mean gradient of all draws of a step.
 *
 * Where the number of draws is no power of two, the subtrees left over are added from the last to
 * the first: the tree that splits at the largest power of two.
 *
 * @param sums       of all draws together; the arrays may be overwritten
 * @param drawCount  how many draws the step has
 * @returns          float32; the caller owns it
 * @throws ShapeError  as `mergedDrawSums`, or if a draw is missing
 */
export function meanOfDraws(sums: readonly DrawSum[], drawCount: number): Float32Array {
  const subtrees = mergedDrawSums(sums);
  let drawn = 0;
  for (const subtree of subtrees) {
    if (subtree.firstDraw !== drawn) throw missing(drawn, drawCount);
    drawn += subtree.drawCount;
  }
  const last = subtrees.at(-1);
  if (drawn !== drawCount || last === undefined) throw missing(drawn, drawCount);
  const total = subtrees
    .slice(0, -1)
    .reduceRight((right, left) => addedTo(left.sum, right), last.sum);
  if (drawCount === 1) return total;
  for (let i = 0; i < total.length; i += 1) total[i] = (total[i] ?? 0) / drawCount;
  return total;
}

function isSibling(left: DrawSum, right: DrawSum): boolean {
  const isLeftChild = left.firstDraw % (2 * left.drawCount) === 0;
  const isNext = left.firstDraw + left.drawCount === right.firstDraw;
  return isLeftChild && isNext && left.drawCount === right.drawCount;
}

/** `left + right`, in float32, written over `left`. */
function addedTo(left: Float32Array, right: Float32Array): Float32Array {
  for (let i = 0; i < left.length; i += 1) left[i] = (left[i] ?? 0) + (right[i] ?? 0);
  return left;
}

function assertSubtree(next: DrawSum, before: DrawSum | undefined): void {
  const { firstDraw, drawCount, sum } = next;
  const isPower = Number.isInteger(Math.log2(drawCount));
  if (!isPower || !Number.isInteger(firstDraw / drawCount) || firstDraw < 0) {
    throw new ShapeError(`draws: ${drawCount} from draw ${firstDraw} on are no complete subtree`);
  }
  if (before === undefined) return;
  if (before.firstDraw + before.drawCount > firstDraw) {
    throw new ShapeError(`draws: draw ${firstDraw} comes twice`);
  }
  if (before.sum.length !== sum.length) {
    throw new ShapeError(`draws: expected sums of one length, got ${sum.length}`);
  }
}

function missing(draw: number, drawCount: number): ShapeError {
  return new ShapeError(`draws: expected all ${drawCount}, draw ${draw} is missing or too many`);
}
