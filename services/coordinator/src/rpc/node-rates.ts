import { badMessage, decodeNodeRates } from "@retake/wire/decoders";
import {
  type PassFlops as FlopsMessage,
  PassKind as Kind,
  type PassMemory as MemoryMessage,
  type NodeRates as RatesMessage,
} from "@retake/wire/membership";
import type { NodeRates, PassFlops, PassKind, PassMemory } from "../job/cluster-state.js";

const kinds: Readonly<Record<PassKind, Kind>> = {
  unet: Kind.PASS_KIND_UNET,
  gradients: Kind.PASS_KIND_GRADIENTS,
  encode: Kind.PASS_KIND_ENCODE,
  decode: Kind.PASS_KIND_DECODE,
};

/** @throws RetakeError  `bad-message` */
export function ratesOf(message: RatesMessage | undefined): NodeRates {
  const { passes, ...speeds } = decodeNodeRates(message);
  return {
    ...speeds,
    passes: passes.map(({ kind, ...time }) => ({ ...time, kind: kindOf(kind) })),
  };
}

/** @throws RetakeError  `bad-message` */
export function memoryOf(messages: readonly MemoryMessage[]): readonly PassMemory[] {
  return messages.map(({ kind, ...memory }) => ({ ...memory, kind: kindOf(kind) }));
}

/** @throws RetakeError  `bad-message` */
export function flopsOf(messages: readonly FlopsMessage[]): readonly PassFlops[] {
  return messages.map(({ kind, ...flops }) => ({ ...flops, kind: kindOf(kind) }));
}

function kindOf(kind: Kind): PassKind {
  switch (kind) {
    case Kind.PASS_KIND_UNET:
      return "unet";
    case Kind.PASS_KIND_GRADIENTS:
      return "gradients";
    case Kind.PASS_KIND_ENCODE:
      return "encode";
    case Kind.PASS_KIND_DECODE:
      return "decode";
    default:
      throw badMessage("pass: kind", { expected: "a known one", got: kind });
  }
}

export function ratesMessage({ passes, ...speeds }: NodeRates): RatesMessage {
  return { ...speeds, passes: passes.map(({ kind, ...time }) => ({ ...time, kind: kinds[kind] })) };
}
