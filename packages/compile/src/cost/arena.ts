/** Sizes of ONNX Runtime's arena, in bytes. */
const alignment = 256;
const firstRegionBytes = 2 ** 20;
const secondRegionBytes = 2 ** 21;
/** A free chunk is cut where this much of it, or half of it, would be left over. */
const unusedBytesMax = 2 ** 27;

/** A piece of a region: taken by one value, or free. */
export interface Chunk {
  readonly region: number;
  readonly begin: number;
  readonly end: number;
}

/**
 * Where ONNX Runtime's arena puts values, and so how much memory it touches: the best fitting free
 * chunk, else a new region, each twice as large as the one before.
 *
 * A sum over what is alive would be too little: values of other sizes come and go, and free memory
 * lies in pieces. At the size of Stable Diffusion, that is half as much again.
 *
 * @source `BFCArena` of ONNX Runtime: best fit with coalescing, powers of two
 */
export class Arena {
  /** Free chunks, by region and address. */
  #free: Chunk[] = [];
  /** How far each region was ever written to. */
  readonly #touched: number[] = [];
  #nextRegionBytes = firstRegionBytes;

  /** Bytes that were written to at any time: what the process holds. */
  get touchedBytes(): number {
    return this.#touched.reduce((sum, bytes) => sum + bytes, 0);
  }

  allocate(bytes: number): Chunk {
    const size = Math.max(1, Math.ceil(bytes / alignment)) * alignment;
    const found = this.#bestFit(size) ?? this.#newRegion(size);
    const left = found.end - found.begin - size;
    const isCut = left >= size || left >= unusedBytesMax;
    const chunk = isCut ? { ...found, end: found.begin + size } : found;
    if (isCut) this.free({ ...found, begin: chunk.end });
    const written = chunk.begin + size;
    this.#touched[chunk.region] = Math.max(this.#touched[chunk.region] ?? 0, written);
    return chunk;
  }

  /** Takes the smallest free chunk that is large enough; of equal ones, the first. */
  #bestFit(size: number): Chunk | undefined {
    let best: Chunk | undefined;
    for (const chunk of this.#free) {
      const bytes = chunk.end - chunk.begin;
      if (bytes >= size && (best === undefined || bytes < best.end - best.begin)) best = chunk;
    }
    if (best !== undefined) this.#free = this.#free.filter((chunk) => chunk !== best);
    return best;
  }

  #newRegion(size: number): Chunk {
    const isFirst = this.#touched.length === 0;
    let bytes = this.#nextRegionBytes;
    while (bytes < size) bytes *= 2;
    const grows = bytes === this.#nextRegionBytes && !isFirst;
    this.#nextRegionBytes = isFirst
      ? Math.max(secondRegionBytes, bytes)
      : grows
        ? 2 * bytes
        : bytes;
    this.#touched.push(0);
    return { region: this.#touched.length - 1, begin: 0, end: bytes };
  }

  /** Puts a chunk back, as one with the free chunks beside it. */
  free({ region, begin, end }: Chunk): void {
    const others: Chunk[] = [];
    let joined = { region, begin, end };
    for (const chunk of this.#free) {
      const touches = chunk.region === region && (chunk.end === begin || chunk.begin === end);
      if (!touches) others.push(chunk);
      else {
        joined = {
          region,
          begin: Math.min(joined.begin, chunk.begin),
          end: Math.max(joined.end, chunk.end),
        };
      }
    }
    this.#free = [...others, joined].toSorted((a, b) => a.region - b.region || a.begin - b.begin);
  }
}
