/**
 * The named maxima of everything that reads or writes media. A file that asks for more is refused
 * before memory or time is spent on it.
 */
export const limits = {
  /** Pixels in one frame of a source: 8192 x 4320 fits, 20,000 x 20,000 does not. */
  sourcePixelsMax: 36_000_000,
  /** Pixels along one side of a source. */
  sourceSideMax: 16_384,
  /** Pixels along one side of a source: less is no picture that a model could read. */
  sourceSideMin: 8,
  /** Pixels along one side of a decoded clip. */
  clipSideMax: 4096,
  /** Every side of a clip is a multiple of this: the VAE halves it up to three times. */
  clipSideMultiple: 8,
  /** Bytes of one decoded clip: frames x height x width x 3. */
  clipBytesMax: 2 * 2 ** 30,
  /** Frames of one decoded clip. */
  clipFramesMax: 4096,
  /** Frames that are counted when a clip turns out too short. */
  countedFramesMax: 1_000_000,
  /** Files up to this size are read to their end to count their frames; longer ones are not. */
  countedFileBytesMax: 512 * 2 ** 20,
  /** The largest block of memory that ffmpeg may ask for at once, in bytes. */
  allocationBytesMax: 512 * 2 ** 20,
  /** Streams in one file. */
  streamsMax: 64,
  /** Bytes that ffprobe may print. */
  probeOutputBytesMax: 16 * 2 ** 20,
  /** Lines of ffmpeg's complaints that are kept. */
  complaintLinesMax: 100,
  probeTimeMaxMs: 60_000,
  decodeTimeMaxMs: 600_000,
  encodeTimeMaxMs: 600_000,
  versionTimeMaxMs: 20_000,
  /** Frames per second that are believed. */
  rateMax: 1000,
} as const;
