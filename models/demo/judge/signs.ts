import type { HostTensor } from "@retake/gpu-node";
import { latentsError } from "@retake/gpu-node/stop";

/** What can be said of an edit without knowing what it should give. */
export interface Signs {
  /**
   * Mean squared error of the clip's latents when its own sentence is asked for: how well the
   * network gives the clip back.
   */
  readonly reconstruction: number;
  /** How much more the latents change from frame to frame than the clip's do: 0 is alike. */
  readonly change: number;
  /**
   * Mean squared difference of the edit's latents from the reconstruction's: how much the prompt
   * still decides. A network that was tuned for too long gives the clip back whatever it is asked.
   */
  readonly response: number;
}

export function signsOf(latents: {
  readonly clip: HostTensor;
  readonly reconstructed: HostTensor;
  readonly edited: HostTensor;
}): Signs {
  const { clip, reconstructed, edited } = latents;
  const change = Math.log(changeOf(edited) / changeOf(clip));
  return {
    reconstruction: latentsError(clip, reconstructed),
    change: Math.abs(change),
    response: latentsError(edited, reconstructed),
  };
}

/** The mean squared difference of neighbouring frames. `[1, channels, frames, height, width]`. */
function changeOf({ data, shape }: HostTensor): number {
  const [, channels = 1, frames = 1, height = 1, width = 1] = shape;
  const cells = height * width;
  let sum = 0;
  for (let channel = 0; channel < channels; channel += 1) {
    for (let at = cells; at < frames * cells; at += 1) {
      const place = channel * frames * cells + at;
      sum += ((data[place] ?? 0) - (data[place - cells] ?? 0)) ** 2;
    }
  }
  return sum / (channels * (frames - 1) * cells);
}
