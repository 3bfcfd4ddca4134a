import { ShapeError } from "@retake/errors";
import { describe, expect, it } from "vitest";
import { channelsFirst, framesFirst } from "./frame-order.js";

// Two frames of three channels of two tokens; the digits name frame, channel and token.
const sizes = { frames: 2, channels: 3, tokens: 2 };
const byFrame = Float32Array.of(0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121);
const byChannel = Float32Array.of(0, 1, 100, 101, 10, 11, 110, 111, 20, 21, 120, 121);

describe("channelsFirst", () => {
  it("puts the frames of each channel together", () => {
    expect(channelsFirst(byFrame, sizes)).toEqual(byChannel);
  });

  it("refuses data of another size", () => {
    expect(() => channelsFirst(byFrame.slice(1), sizes)).toThrow(ShapeError);
  });
});

describe("framesFirst", () => {
  it("undoes it", () => {
    expect(framesFirst(byChannel, sizes)).toEqual(byFrame);
  });
});
