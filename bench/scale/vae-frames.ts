import { equalParts } from "@retake/model/frames";
import { Computer, Host, type Link, Network } from "./network.js";
import { VirtualClock } from "./virtual-clock.js";

export interface VaeTerms {
  readonly link: Link;
  readonly nodeCount: number;
  readonly frames: number;
  readonly frameMs: number;
  /** What a node pulls for so many frames before it begins. */
  readonly inputBytes: (frames: number) => number;
  /** Of one frame; each is sent when it is there. */
  readonly outputBytes: number;
}

/** Milliseconds until the coordinator has all frames of a clip, of which each node does a part. */
export function vaeMs(terms: VaeTerms): number {
  const { link, nodeCount, frames, frameMs, inputBytes, outputBytes } = terms;
  const clock = new VirtualClock();
  const network = new Network(clock, link);
  const coordinator = new Host();
  for (const count of equalParts(frames, { parts: nodeCount })) {
    const node = new Computer();
    // The task is begun, and asks for its input.
    clock.after(link.roundTripMs, () =>
      network.send(coordinator, { to: node, bytes: inputBytes(count) }, () => {
        for (let frame = 0; frame < count; frame += 1) {
          node.compute(clock, frameMs, () =>
            network.send(node, { to: coordinator, bytes: outputBytes }, () => {}),
          );
        }
      }),
    );
  }
  clock.run();
  return clock.nowMs;
}
