/** Every maximum of the store, with its unit. */

/** Of a record, a commit or an event line with its headers: max_payload counts both. */
export const valueBytesMax = 960 * 1024;
/** Room for the headers of a write: ids, expected sequence, a write id. */
export const headerBytesMax = 1024;
export const eventLineBytesMax = 4096;
export const eventsPerEditMax = 1000;
export const pageRecordsMax = 500;
export const pageRecordsDefault = 100;
export const idCharsMax = 64;

/** Bounds of what the streams may hold on disk; the server reserves them. */
export const recordsBytesMax = 256 * 1024 * 1024;
/** Of who leads, and of the store's version: a record each. */
export const smallBucketBytesMax = 4 * 1024 * 1024;
export const commitsBytesMax = 1024 * 1024 * 1024;
export const eventsBytesMax = 256 * 1024 * 1024;

/** One try of a request; a server that was killed does not answer. */
export const attemptDurationMs = 2000;
/** A write is tried again for so long: the election of a new leader takes about 6 s. */
export const writeDeadlineMs = 20_000;
export const retryPauseMs = 100;
/**
 * Writes of a record that are kept: a write whose answer was lost is found again under so many less
 * one. Only the last counts otherwise.
 */
export const recordHistory = 8;
/** An old coordinator that commits all the while can be in the way of a fence this often. */
export const fenceAttemptsMax = 20;
/** Requests in flight when a page or a log is read. */
export const readsInFlightMax = 16;
/** Messages that a watch asks for at a time: 16 x 1 MiB stay under the server's 64 MiB. */
export const watchMessagesMax = 16;
export const watchHeartbeatMs = 1000;

export const artifactBytesMax = 16 * 1024 ** 3;
export const artifactStoreBytesMax = 512 * 1024 ** 3;
/** A put to which nothing has been written for so long is of a process that is gone. */
export const putAbandonedMs = 3_600_000;
export const readChunkBytes = 256 * 1024;
