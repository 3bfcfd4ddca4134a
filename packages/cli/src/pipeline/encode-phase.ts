import { type ClipMoments, encodeClip, readTensors, writeTensors } from "@retake/gpu-node";
import { artifact } from "../cache/artifact-store.js";
import type { SourceClip } from "./clip-phase.js";
import { type Session, taskControl } from "./session.js";

/** What the VAE says about the clip. */
export interface EncodedClip {
  readonly moments: ClipMoments;
  /** Names them by what they depend on. */
  readonly id: string;
}

/** Encodes the clip once; every tuning and inversion of it reads the same moments. */
export async function encodePhase(session: Session, source: SourceClip): Promise<EncodedClip> {
  const { model, reporter, store, settings } = session;
  return reporter.phase("encode", async (phase) => {
    const framesPerPass = settings.batch;
    const { value, id, reused } = await artifact(store, {
      kind: "moments",
      key: {
        ...{ clip: source.hash, model: model.files.hash, numerics: model.numericsId },
        framesPerPass,
      },
      make: () => encodeClip(model, { ...source.clip, framesPerPass }, taskControl(session, phase)),
      read: (path) => readTensors(path, ["mean", "logVariance"]),
      write: (path, moments) => writeTensors(path, { ...moments }),
    });
    if (reused) phase.reuse();
    return { moments: value, id };
  });
}
