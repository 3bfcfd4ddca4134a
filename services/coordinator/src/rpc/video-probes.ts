import type { VideoInfo } from "../media/probe-output.js";

/** Programs that look at videos at the same time: hundreds would leave nothing for the rest. */
const probesInFlightMax = 2;
const probesKeptMax = 1_000;

/** What videos are, each looked at once: the same bytes are the same video. */
export class VideoProbes {
  readonly #probe: (videoId: string) => Promise<VideoInfo>;
  /** From the one asked for longest ago to the one asked for last. */
  readonly #known = new Map<string, Promise<VideoInfo>>();
  readonly #waiting: (() => void)[] = [];
  #inFlight = 0;

  constructor(probe: (videoId: string) => Promise<VideoInfo>) {
    this.#probe = probe;
  }

  /** @throws  what looking at it throws; it is looked at again when it is asked for again */
  async of(videoId: string): Promise<VideoInfo> {
    const info = this.#known.get(videoId) ?? this.#inTurn(videoId);
    this.#known.delete(videoId);
    this.#known.set(videoId, info);
    const [oldest] = this.#known.keys();
    if (this.#known.size > probesKeptMax && oldest !== undefined) this.#known.delete(oldest);
    try {
      return await info;
    } catch (thrown) {
      if (this.#known.get(videoId) === info) this.#known.delete(videoId);
      throw thrown;
    }
  }

  async #inTurn(videoId: string): Promise<VideoInfo> {
    while (this.#inFlight >= probesInFlightMax) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#inFlight += 1;
    try {
      return await this.#probe(videoId);
    } finally {
      this.#inFlight -= 1;
      this.#waiting.shift()?.();
    }
  }
}
