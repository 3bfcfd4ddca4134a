/** The frames of one prompt on their way to one client. */
export interface Delivery {
  /** The client has all before it. */
  readonly nextFrame: number;
  readonly frameCount: number;
  /** Frames that the client has room for: no more than these are ever held for it. */
  readonly credits: number;
}

export const deliveryCreditsMax = 64;

/** What may be sent now. */
export interface Delivered {
  readonly delivery: Delivery;
  readonly frames: readonly { readonly frame: number; readonly artifactId: string }[];
  readonly isOver: boolean;
  readonly reason: string;
}

/** Begins where the client says that it stopped: so a frame comes once, over any calls. */
export function begunDelivery({
  offset,
  frameCount,
}: {
  offset: number;
  frameCount: number;
}): Delivery {
  return { nextFrame: Math.min(Math.max(offset, 0), frameCount), frameCount, credits: 0 };
}

/** The client has room for more. */
export function credited(delivery: Delivery, credits: number): Delivery {
  return { ...delivery, credits: Math.min(delivery.credits + credits, deliveryCreditsMax) };
}

/**
 * The frames that come next in order, whatever the order in which nodes finish them. Those that are
 * early stay in the store: the record is the reorder buffer, and memory holds ids only.
 *
 * @param artifactIds  by frame; empty where it is not there yet
 */
export function deliver(delivery: Delivery, artifactIds: readonly string[]): Delivered {
  const { nextFrame, frameCount, credits } = delivery;
  let end = nextFrame;
  while (end < frameCount && end - nextFrame < credits && artifactIds[end]) end += 1;
  const frames = artifactIds
    .slice(nextFrame, end)
    .map((artifactId, index) => ({ frame: nextFrame + index, artifactId }));
  const isOver = end === frameCount;
  const left = { ...delivery, nextFrame: end, credits: credits - frames.length };
  const wait = left.credits === 0 ? "waits for credits" : `waits for frame ${end}`;
  return { delivery: left, frames, isOver, reason: isOver ? "all frames are sent" : wait };
}
