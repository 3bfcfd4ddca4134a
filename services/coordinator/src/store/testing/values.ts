import { type Codec, jsonCodec, malformed } from "../codec.js";
import type { Commit } from "../commit-log.js";

export interface Sample {
  readonly text: string;
}

export interface SampleCommit extends Commit {
  readonly hash: string;
}

/** Refuses a text of "refuse me", so that a test can plant a record that cannot be read. */
export const sampleCodec: Codec<Sample> = jsonCodec((json) => {
  const { text } = Object(json);
  if (typeof text !== "string" || text === "refuse me")
    throw malformed("sample", { problem: "expected text" });
  return { text };
});

export const commitCodec: Codec<SampleCommit> = jsonCodec((json) => {
  const { editId, epoch, step, hash } = Object(json);
  return { editId, epoch, step, hash };
});

export const commit = (step: number, { epoch = 1, editId = "edit" } = {}): SampleCommit => ({
  editId,
  epoch,
  step,
  hash: `hash of ${step}`,
});
