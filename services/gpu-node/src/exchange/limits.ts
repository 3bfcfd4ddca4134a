/** What bounds an exchange. Bytes count the values of shards, not heads. */
export interface ExchangeLimits {
  /** Of the values in one frame; a multiple of 4. */
  readonly pieceBytesMax: number;
  /** Requests under way to one peer, partial and reduced shards apart. */
  readonly windowPerPeerMax: number;
  /** Asked for and not yet arrived, or arrived and not yet added, partial and reduced apart. */
  readonly bytesInFlightMax: number;
  /** Written for peers and not yet taken by the server. */
  readonly bytesUnflushedMax: number;
  /** Moved between two looks for frames that can be freed. */
  readonly sweepBytes: number;
  /** Requests that wait here, of all peers together; one more is told to ask again. */
  readonly heldRequestsMax: number;
  /** How long a request waits for its shard before it is told to ask again. */
  readonly holdDurationMs: number;
  /** How long a peer may be silent: longer than it holds a request. */
  readonly answerDurationMs: number;
  /** Silences in a row, with a link that works, after which a peer counts as lost. */
  readonly silencesMax: number;
  /** How long a peer may have no subscription before it counts as lost. */
  readonly absenceDurationMs: number;
  /** Between two questions to a peer that is not there. */
  readonly absencePauseMs: number;
  /** Answers for one piece that may be refused before the peer counts as broken. */
  readonly refusalsMax: number;
  /** From the call of `reduce` until the step fails. */
  readonly stepDurationMs: number;
}

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

/** The limits of a node, measured by `npm run bench:exchange`. */
export const exchangeLimits: ExchangeLimits = {
  pieceBytesMax: 128 * kibibyte,
  windowPerPeerMax: 16,
  bytesInFlightMax: mebibyte,
  bytesUnflushedMax: mebibyte,
  sweepBytes: 4 * mebibyte,
  heldRequestsMax: 4096,
  holdDurationMs: 2000,
  answerDurationMs: 4_000,
  silencesMax: 2,
  absenceDurationMs: 5000,
  absencePauseMs: 100,
  refusalsMax: 3,
  stepDurationMs: 600_000,
};
