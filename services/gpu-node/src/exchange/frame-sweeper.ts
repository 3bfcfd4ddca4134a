import { collectGarbage } from "@retake/wire/memory";

/**
 * Frees the frames that have been sent and taken, every so many bytes. They lie outside of the
 * JavaScript heap, where V8 would let 64 MiB of them pile up before it looks.
 */
export class FrameSweeper {
  readonly #everyBytes: number;
  #bytes = 0;

  constructor({ everyBytes }: { readonly everyBytes: number }) {
    this.#everyBytes = everyBytes;
  }

  moved(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < this.#everyBytes) return;
    this.#bytes = 0;
    collectGarbage({ onlyYoung: true });
  }
}
