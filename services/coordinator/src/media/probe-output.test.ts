import { describe, expect, it } from "vitest";
import { parseProbe } from "./probe-output.js";

const video = {
  index: 0,
  codec_type: "video",
  codec_name: "h264",
  width: 1920,
  height: 1080,
  sample_aspect_ratio: "1:1",
  avg_frame_rate: "25/1",
  r_frame_rate: "25/1",
  duration: "4.0",
  nb_frames: "100",
};
const sound = { index: 1, codec_type: "audio" };
const read = (stream: object, format: object = {}, ...others: object[]) =>
  parseProbe({ path: "a.mp4", json: JSON.stringify({ streams: [...others, stream], format }) });

describe("parseProbe", () => {
  it("trusts a count over the header, and the header over an estimate", () => {
    expect(read({ ...video, nb_read_packets: "98" })).toMatchObject({
      frames: 98,
      framesBasis: "counted",
      framesDeclared: 100,
    });
    expect(read(video)).toMatchObject({ frames: 100, framesBasis: "declared" });
    expect(read({ ...video, nb_frames: "N/A" }, { duration: "2.0" })).toMatchObject({
      frames: 100,
      framesBasis: "estimated",
      framesDeclared: null,
    });
  });

  it.each([
    [{ side_data_list: [{ rotation: -90 }] }, 90, 1080],
    [{ side_data_list: [{ rotation: 90 }] }, 270, 1080],
    [{ tags: { rotate: "180" } }, 180, 1920],
    [{ side_data_list: [{ rotation: "x" }] }, 0, 1920],
  ])("turns the sides with %j", (extra, rotation, width) => {
    expect(read({ ...video, ...extra })).toMatchObject({ rotation, width });
  });

  it("turns wide pixels with the picture", () => {
    const turned = { side_data_list: [{ rotation: -90 }], sample_aspect_ratio: "4:3" };
    expect(read({ ...video, ...turned })?.pixelAspect).toBe(0.75);
    expect(read({ ...video, sample_aspect_ratio: "1:99999" })?.pixelAspect).toBe(1);
  });

  it("takes the stream of moving pictures, not a cover, and sees the sound", () => {
    const cover = { ...video, index: 7, disposition: { attached_pic: 1 } };
    expect(read({ ...video, index: 3 }, {}, cover, sound)).toMatchObject({
      streamIndex: 3,
      hasAudio: true,
    });
    expect(() => read(cover, {}, sound)).toThrow("got a file with sound and no pictures");
  });

  it("finds a rate in whatever the file says about time", () => {
    const silent = { avg_frame_rate: "0/0", r_frame_rate: "0/0" };
    expect(read({ ...video, ...silent })?.rate).toEqual({ numerator: 100_000, denominator: 4000 });
    const timeless = { ...silent, duration: "N/A", nb_frames: "1" };
    expect(read({ ...video, ...timeless })).toMatchObject({
      rate: { numerator: 10, denominator: 1 },
      durationS: 0.1,
    });
    expect(read({ ...video, avg_frame_rate: "0/0" })?.rate).toEqual({
      numerator: 25,
      denominator: 1,
    });
  });

  it("says whether the rate varies", () => {
    expect(read(video)?.rateVaries).toBe(false);
    expect(read({ ...video, r_frame_rate: "50/1" })?.rateVaries).toBe(true);
  });

  it.each([
    ["nothing", ""],
    ["an empty object", "{}"],
    ["a list", "[1]"],
    ["streams that are no list", '{"streams":7}'],
    ["a stream that is no object", '{"streams":[null]}'],
    ["data without pictures", '{"streams":[{"codec_type":"data"}]}'],
    ["half an object", "{"],
  ])("finds no video in %s", (_name, json) => {
    expect(parseProbe({ path: "a.mp4", json })).toBeNull();
  });

  it("gives no size to pictures that have none", () => {
    expect(read({ ...video, width: -1 })?.width).toBe(0);
  });
});
