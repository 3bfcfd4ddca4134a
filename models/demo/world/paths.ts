import type { Dice } from "./dice.js";
import type { Verb } from "./vocabulary.js";

/** Where a subject stands or floats: the middle of its box's lower edge, in units of the grid. */
export interface Position {
  readonly x: number;
  readonly y: number;
}

/** A way through the picture, and the ground below it. */
export interface Path {
  /** The height at which shadows lie. */
  readonly groundY: number;
  readonly positions: readonly Position[];
}

/**
 * Positions are even: half a cell of a VAE that halves twice. A small network then has four places
 * of a subject within a cell to learn, not sixty-four.
 */
const snapUnits = 2;
const snapped = (value: number): number => Math.round(value / snapUnits) * snapUnits;

/** How far above the ground a subject is, by the share of the path behind it. */
type Height = (share: number, frame: number) => number;

/**
 * The path of a verb. All motion goes to the left, or stays in place.
 *
 * @param frameCount  at least 2
 */
export function pathOf(verb: Verb, frameCount: number, dice: Dice): Path {
  const groundY = 2 * dice.integer([26, 28]);
  const beginX = 2 * dice.integer([22, 24]);
  const endX = verb === "bouncing" ? beginX : 2 * dice.integer([8, 10]);
  const placeX = verb === "bouncing" ? beginX - 2 * dice.integer([0, 14]) : beginX;
  const height = heightOf(verb, dice);
  const positions = Array.from({ length: frameCount }, (_, frame) => {
    const share = frame / (frameCount - 1);
    const x = snapped(placeX + (endX - beginX) * share);
    return { x, y: groundY - snapped(height(share, frame)) };
  });
  return { groundY, positions };
}

function heightOf(verb: Verb, dice: Dice): Height {
  switch (verb) {
    case "running":
      return (_, frame) => (frame % 4 < 2 ? 0 : 2);
    case "jumping": {
      const top = dice.between([15, 18]);
      return (share) => 4 * top * share * (1 - share);
    }
    case "bouncing": {
      const top = dice.between([12, 15]);
      return (share) => top * Math.abs(Math.sin(2 * Math.PI * share));
    }
    case "flying": {
      const middle = dice.between([15, 17]);
      return (share) => middle + 4.5 * Math.cos(2 * Math.PI * share);
    }
  }
}
