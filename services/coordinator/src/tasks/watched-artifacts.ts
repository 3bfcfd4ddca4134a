import { setTimeout as delay } from "node:timers/promises";
import { fromUnknown } from "@retake/errors";
import { storePauseMs } from "../loop/limits.js";
import type { ArtifactStore } from "../store/artifact-store.js";

export interface RoomListener {
  readonly onFull: (what: string) => void;
  readonly onRoom: () => void;
  readonly signal: AbortSignal;
  /** Between two looks whether there is room again. */
  readonly pauseMs?: number;
}

/** Written, and removed again, to see whether there is room; no artifact has these bytes. */
const probe = Buffer.alloc(64 * 1024, "retake: is there room? ");

/** The same store, which tells when what is put into it finds no room, and when it does again. */
export function watchedArtifacts(artifacts: ArtifactStore, listener: RoomListener): ArtifactStore {
  const { onFull, onRoom, signal, pauseMs = storePauseMs } = listener;
  let isFull = false;
  const untilRoom = async (): Promise<void> => {
    while (!signal.aborted && !(await hasRoom(artifacts))) {
      await delay(pauseMs, undefined, { signal }).catch(() => undefined);
    }
    isFull = false;
    if (!signal.aborted) onRoom();
  };
  return {
    ...artifacts,
    put: async (source, options) => {
      try {
        return await artifacts.put(source, options);
      } catch (thrown) {
        if (isNoRoom(thrown) && !isFull) {
          isFull = true;
          onFull("artifacts");
          void untilRoom();
        }
        throw thrown;
      }
    },
  };
}

const isNoRoom = (thrown: unknown): boolean =>
  fromUnknown(thrown, "artifacts").reason === "disk-full";

async function hasRoom(artifacts: ArtifactStore): Promise<boolean> {
  try {
    const { id } = await artifacts.put(once(probe));
    await artifacts.remove(id);
    return true;
  } catch {
    // Whatever stands in the way of this write would stand in the way of the next one.
    return false;
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
