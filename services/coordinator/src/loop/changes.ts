interface Waiter {
  readonly wake: () => void;
  readonly fail: (error: Error) => void;
}

/** Wakes whoever waits for a change of one thing, or of any. */
export class Changes {
  readonly #waiting = new Map<string, Set<Waiter>>();
  #closedWith: Error | undefined;

  /**
   * Resolves at the next change. Ask before you look: then no change is missed.
   *
   * @throws  the signal's reason, or what the changes were closed with
   */
  next(key: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const set = this.#waiting.get(key) ?? new Set();
      const forget = (): void => {
        set.delete(waiter);
        if (set.size === 0 && this.#waiting.get(key) === set) this.#waiting.delete(key);
        signal.removeEventListener("abort", onAbort);
      };
      const fail = (error: Error): void => {
        forget();
        reject(error);
      };
      const wake = (): void => {
        forget();
        resolve();
      };
      const onAbort = (): void => fail(signal.reason as Error);
      const waiter = { wake, fail };
      if (this.#closedWith !== undefined) reject(this.#closedWith);
      else if (signal.aborted) reject(signal.reason as Error);
      else {
        this.#waiting.set(key, set.add(waiter));
        signal.addEventListener("abort", onAbort, { once: true });
      }
    });
  }

  tell(key: string): void {
    for (const { wake } of [...(this.#waiting.get(key) ?? [])]) wake();
  }

  /** Nothing changes any more: whoever waits is told why. */
  close(error: Error): void {
    this.#closedWith = error;
    for (const set of [...this.#waiting.values()]) for (const { fail } of [...set]) fail(error);
  }
}
