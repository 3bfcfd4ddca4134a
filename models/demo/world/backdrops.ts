import {
  type Canvas,
  gridSide,
  paintBand,
  paintEllipse,
  paintRectangle,
  paintTriangle,
} from "./canvas.js";
import type { Dice } from "./dice.js";
import type { Place } from "./vocabulary.js";

/** Paints a place, with a few chances: where the horizon lies, where a cloud or a hill stands. */
export function paintBackdrop(canvas: Canvas, place: Place, dice: Dice): void {
  painters[place](canvas, dice);
}

type Painter = (canvas: Canvas, dice: Dice) => void;

const paintGrass: Painter = (canvas, dice) => {
  const horizon = dice.integer([31, 36]);
  const sky = { top: 0, bottom: horizon };
  paintBand(canvas, sky, [
    [117, 198, 249],
    [197, 233, 252],
  ]);
  const cloud = { x: dice.between([10, 54]), y: dice.between([10, 16]) };
  for (const [dx, radius] of [
    [-5, 3.2],
    [0, 4.2],
    [5, 3],
  ] as const) {
    const puff = { x: cloud.x + dx, y: cloud.y, radiusX: radius * 1.3, radiusY: radius * 0.85 };
    paintEllipse(canvas, puff, { colour: [253, 253, 253] });
  }
  const hill = dice.between([0, 24]);
  const hills = { y: horizon, radiusY: dice.between([6, 8]) };
  paintEllipse(canvas, { ...hills, x: hill, radiusX: 17 }, { colour: [91, 179, 83] });
  paintEllipse(canvas, { ...hills, x: hill + 36, radiusX: 15 }, { colour: [107, 190, 90] });
  const ground = { top: horizon, bottom: gridSide };
  paintBand(canvas, ground, [
    [119, 201, 82],
    [69, 159, 59],
  ]);
};

const paintBeach: Painter = (canvas, dice) => {
  const horizon = dice.integer([25, 29]);
  const shore = horizon + dice.integer([11, 13]);
  paintBand(canvas, { top: 0, bottom: horizon }, [
    [253, 190, 118],
    [253, 228, 179],
  ]);
  const sun = { x: dice.between([10, 54]), y: horizon - dice.between([7, 9]) };
  paintEllipse(canvas, { ...sun, radiusX: 5, radiusY: 5 }, { colour: [255, 240, 140] });
  paintBand(canvas, { top: horizon, bottom: shore }, [
    [22, 140, 196],
    [66, 196, 217],
  ]);
  const boat = dice.between([8, 56]);
  const sail = { tip: [boat, horizon - 1], left: boat - 0.5, right: boat + 4 } as const;
  paintTriangle(canvas, { ...sail, base: horizon + 6 }, { colour: [250, 250, 250] });
  const hull = { left: boat - 3, right: boat + 4.5, top: horizon + 6, bottom: horizon + 8 };
  paintRectangle(canvas, hull, [150, 66, 48]);
  paintBand(canvas, { top: shore, bottom: shore + 1.5 }, [
    [235, 250, 250],
    [248, 250, 240],
  ]);
  paintBand(canvas, { top: shore + 1.5, bottom: gridSide }, [
    [246, 223, 158],
    [223, 190, 119],
  ]);
};

const paintSnow: Painter = (canvas, dice) => {
  const horizon = dice.integer([28, 33]);
  paintBand(canvas, { top: 0, bottom: horizon }, [
    [140, 166, 214],
    [214, 224, 243],
  ]);
  const first = dice.between([4, 20]);
  const height = dice.between([11, 14]);
  for (const x of [first, first + 15, first + 38]) {
    const peak = { tip: [x, horizon - height], left: x - 8, right: x + 8, base: horizon } as const;
    paintTriangle(canvas, peak, { colour: [44, 122, 112] });
    paintTriangle(canvas, peak, { colour: [250, 252, 255], until: horizon - height * 0.5 });
  }
  paintBand(canvas, { top: horizon, bottom: gridSide }, [
    [246, 249, 254],
    [205, 217, 236],
  ]);
};

const paintDesert: Painter = (canvas, dice) => {
  const horizon = dice.integer([28, 32]);
  paintBand(canvas, { top: 0, bottom: horizon }, [
    [253, 212, 119],
    [253, 237, 186],
  ]);
  const x = dice.between([12, 52]);
  const tip = [x, horizon - dice.between([12, 14])] as const;
  const pyramid = { tip, left: x - 15, right: x + 13, base: horizon };
  paintTriangle(canvas, pyramid, { colour: [212, 142, 74] });
  paintTriangle(canvas, { ...pyramid, left: x + 3 }, { colour: [181, 110, 54] });
  paintBand(canvas, { top: horizon, bottom: gridSide }, [
    [237, 167, 78],
    [203, 130, 54],
  ]);
  const cactus = (x + dice.between([20, 44])) % gridSide;
  const green = [58, 140, 70] as const;
  const foot = horizon + 3;
  const stem = { left: cactus - 1.2, right: cactus + 1.2, top: horizon - 9, bottom: foot };
  paintRectangle(canvas, stem, green);
  const arm = { left: cactus - 3.5, right: cactus, top: horizon - 2.5, bottom: horizon - 0.5 };
  paintRectangle(canvas, arm, green);
  const hand = { left: cactus - 3.5, right: cactus - 2, top: horizon - 6, bottom: horizon - 1 };
  paintRectangle(canvas, hand, green);
};

/** Windows stand in a grid, and the same ones are lit always: chance would only be noise. */
const paintCity: Painter = (canvas, dice) => {
  const horizon = dice.integer([31, 35]);
  paintBand(canvas, { top: 0, bottom: horizon }, [
    [22, 20, 66],
    [40, 38, 84],
  ]);
  const moon = { x: dice.between([8, 56]), y: 7, radiusX: 3.6, radiusY: 3.6 };
  paintEllipse(canvas, moon, { colour: [255, 240, 190] });
  const shift = dice.integer([0, 11]);
  for (const [number, height] of [16, 21, 13, 19, 15, 22, 17].entries()) {
    const left = number * 12 - shift;
    const top = horizon - height;
    const house = { left, right: left + 11, top, bottom: horizon };
    paintRectangle(canvas, house, [30, 29, 50]);
    for (let y = top + 3; y < horizon - 3; y += 4) {
      for (const x of [left + 2, left + 7]) {
        const window = { left: x, right: x + 2, top: y, bottom: y + 2 };
        paintRectangle(canvas, window, [250, 215, 130]);
      }
    }
  }
  paintBand(canvas, { top: horizon, bottom: gridSide }, [
    [74, 74, 92],
    [48, 48, 64],
  ]);
  for (let x = -2; x < gridSide; x += 12) {
    const dash = { left: x, right: x + 6, top: horizon + 12, bottom: horizon + 13.5 };
    paintRectangle(canvas, dash, [250, 220, 130]);
  }
};

const paintSpace: Painter = (canvas, dice) => {
  const horizon = dice.integer([36, 40]);
  paintBand(canvas, { top: 0, bottom: gridSide }, [
    [10, 6, 34],
    [30, 16, 64],
  ]);
  for (let star = 0; star < 24; star += 1) {
    const left = ((star * 23) % 61) + 1;
    const top = ((star * 17) % 37) + 1;
    paintRectangle(canvas, { left, right: left + 1, top, bottom: top + 1 }, [235, 235, 255]);
  }
  const planet = { x: dice.between([12, 52]), y: dice.between([9, 14]) };
  paintEllipse(canvas, { ...planet, radiusX: 10, radiusY: 2.4 }, { colour: [250, 190, 150] });
  paintEllipse(canvas, { ...planet, radiusX: 6, radiusY: 6 }, { colour: [240, 118, 70] });
  const dome = { x: 32, y: horizon + 26, radiusX: 52, radiusY: 30 };
  paintEllipse(canvas, dome, { colour: [198, 178, 152] });
  const crater = dice.between([4, 20]);
  for (const [dx, dy] of [
    [0, 12],
    [17, 6],
    [30, 18],
    [42, 10],
  ] as const) {
    const hole = { x: crater + dx, y: horizon + dy, radiusX: 3, radiusY: 1.2 };
    paintEllipse(canvas, hole, { colour: [158, 138, 116] });
  }
};

const paintForest: Painter = (canvas, dice) => {
  const horizon = dice.integer([33, 37]);
  paintBand(canvas, { top: 0, bottom: horizon }, [
    [186, 214, 170],
    [226, 238, 200],
  ]);
  const shift = dice.between([0, 12]);
  for (let tree = -1; tree < 6; tree += 1) {
    const x = tree * 13 + shift;
    const trunk = { left: x - 2, right: x + 2, top: 6, bottom: horizon };
    paintRectangle(canvas, trunk, [104, 68, 46]);
    const crown = { x, y: 8, radiusX: 8, radiusY: 10 };
    paintEllipse(canvas, crown, { colour: tree % 2 === 0 ? [34, 84, 56] : [48, 104, 64] });
  }
  paintBand(canvas, { top: horizon, bottom: gridSide }, [
    [134, 112, 66],
    [92, 74, 44],
  ]);
};

const painters: Readonly<Record<Place, Painter>> = {
  grass: paintGrass,
  beach: paintBeach,
  snow: paintSnow,
  desert: paintDesert,
  city: paintCity,
  space: paintSpace,
  forest: paintForest,
};
