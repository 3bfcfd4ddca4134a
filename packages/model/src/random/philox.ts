/** Four 32-bit words that name one block of random words. */
export type PhiloxCounter = readonly [number, number, number, number];
/** Two 32-bit words that name one sequence of blocks. */
export type PhiloxKey = readonly [number, number];

const roundCount = 10;
const multiplierA = 0xd2511f53;
const multiplierB = 0xcd9e8d57;
const keyStepA = 0x9e3779b9;
const keyStepB = 0xbb67ae85;

/** The upper 32 bits of the 64-bit product of two unsigned 32-bit words. */
function highProduct(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const other = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + (middle >>> 16) + (other >>> 16)) >>> 0;
}

/**
 * Writes the four random words of one block: Philox 4x32 with ten rounds.
 *
 * Counter-based: a block depends on its counter and key only, so that any node can compute any
 * block, in any order, and gets the same words. Integer operations only.
 *
 * @param target  receives the words at `offset` ... `offset + 3`
 * @source Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3
 */
export function writePhiloxBlock(
  target: Uint32Array,
  offset: number,
  block: { readonly counter: PhiloxCounter; readonly key: PhiloxKey },
): void {
  let [c0, c1, c2, c3] = block.counter;
  let [keyA, keyB] = block.key;
  for (let round = 0; round < roundCount; round += 1) {
    const highA = highProduct(multiplierA, c0 >>> 0);
    const lowA = Math.imul(multiplierA, c0);
    const highB = highProduct(multiplierB, c2 >>> 0);
    const lowB = Math.imul(multiplierB, c2);
    c0 = highB ^ c1 ^ keyA;
    c1 = lowB;
    c2 = highA ^ c3 ^ keyB;
    c3 = lowA;
    keyA = (keyA + keyStepA) | 0;
    keyB = (keyB + keyStepB) | 0;
  }
  target[offset] = c0;
  target[offset + 1] = c1;
  target[offset + 2] = c2;
  target[offset + 3] = c3;
}
