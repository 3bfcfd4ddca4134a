/** Consecutive draws of a step: from `begin` up to, not including, `end`. */
export interface DrawBlock {
  readonly begin: number;
  readonly end: number;
}

/** A complete subtree of the tree over the draws: what one partial sum covers. */
export interface Subtree {
  readonly firstDraw: number;
  /** A power of two that divides `firstDraw`. */
  readonly drawCount: number;
}

/**
 * The draws that a rank computes: as even as integers allow, in rank order. Where there are more
 * ranks than draws, some get none.
 */
export function drawsOfRank(
  { drawCount, worldSize }: { readonly drawCount: number; readonly worldSize: number },
  rank: number,
): DrawBlock {
  return {
    begin: Math.floor((drawCount * rank) / worldSize),
    end: Math.floor((drawCount * (rank + 1)) / worldSize),
  };
}

/**
 * The partial sums that a rank sends for its draws: the maximal complete subtrees among them, by
 * draw. The same ones that `mergedDrawSums` leaves, known without any gradient.
 */
export function partialsOf({ begin, end }: DrawBlock): readonly Subtree[] {
  const subtrees: Subtree[] = [];
  for (let firstDraw = begin; firstDraw < end; ) {
    let drawCount = 1;
    while (firstDraw % (2 * drawCount) === 0 && firstDraw + 2 * drawCount <= end) drawCount *= 2;
    subtrees.push({ firstDraw, drawCount });
    firstDraw += drawCount;
  }
  return subtrees;
}
