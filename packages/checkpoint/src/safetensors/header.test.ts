import { RetakeError } from "@retake/errors";
import { describe, expect, it } from "vitest";
import { byteLengthOf, decodeHeaderLength, headerBytesMax, parseHeader } from "./header.js";

const utf8 = new TextEncoder();

/** Reads a header before `dataBytes` of data. */
const parse = (json: unknown, dataBytes = 0) => {
  const bytes = utf8.encode(typeof json === "string" ? json : JSON.stringify(json));
  return parseHeader(bytes, { label: "x", size: 8 + bytes.byteLength + dataBytes });
};

const reasonOf = (run: () => unknown): string => {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof RetakeError) return thrown.reason;
    throw thrown;
  }
  return "none";
};

const prefixOf = (length: bigint): Uint8Array => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, length, true);
  return bytes;
};

const f32 = (begin: number, end: number) => ({
  dtype: "F32",
  shape: [(end - begin) / 4],
  data_offsets: [begin, end],
});

describe("decodeHeaderLength", () => {
  it("takes a header that fills the file, and refuses one byte more", () => {
    expect(decodeHeaderLength(prefixOf(2n), { label: "x", size: 10 })).toBe(2);
    const oneMore = () => decodeHeaderLength(prefixOf(3n), { label: "x", size: 10 });
    expect(reasonOf(oneMore)).toBe("file-truncated");
  });

  it("takes the largest header, refuses one byte more, and one of 10 GB", () => {
    const size = 10 ** 12;
    const max = BigInt(headerBytesMax);
    expect(decodeHeaderLength(prefixOf(max), { label: "x", size })).toBe(headerBytesMax);
    for (const length of [max + 1n, 10n ** 10n, 2n ** 64n - 1n]) {
      const refused = () => decodeHeaderLength(prefixOf(length), { label: "x", size });
      expect(reasonOf(refused)).toBe("header-too-large");
    }
  });

  it("refuses a file of seven bytes", () => {
    const refused = () => decodeHeaderLength(new Uint8Array(7), { label: "x", size: 7 });
    expect(reasonOf(refused)).toBe("file-truncated");
  });
});

describe("parseHeader", () => {
  it("gives metadata, and places counted from the file's start", () => {
    const json = { __metadata__: { format: "pt" }, b: f32(8, 12), a: f32(0, 8) };
    const { metadata, tensors } = parse(json, 12);
    const start = 8 + JSON.stringify(json).length;
    expect(metadata).toEqual(new Map([["format", "pt"]]));
    expect([...tensors.keys()]).toEqual(["b", "a"]);
    expect(tensors.get("a")).toEqual({
      offset: start,
      byteLength: 8,
      dtype: "F32",
      shape: [2],
    });
    expect(tensors.get("b")?.offset).toBe(start + 8);
  });

  it("takes scalars, empty tensors between others, and a file of no tensors", () => {
    const scalar = { dtype: "F16", shape: [], data_offsets: [0, 2] };
    const empty = { dtype: "F32", shape: [0, 9007199254740991], data_offsets: [2, 2] };
    expect(
      parse({ scalar, empty, next: { ...scalar, data_offsets: [2, 4] } }, 4).tensors.size,
    ).toBe(3);
    expect(parse({}).tensors.size).toBe(0);
    const atTheStartOfAnother = { ...empty, data_offsets: [0, 0] };
    expect(parse({ a: f32(0, 4), atTheStartOfAnother }, 4).tensors.size).toBe(2);
  });

  it.each(["F32", "I32", "U32"])("takes %s as four bytes a value", (dtype) => {
    expect(parse({ a: { dtype, shape: [1], data_offsets: [0, 4] } }, 4).tensors.size).toBe(1);
  });

  it.each([
    ["an overlap", { a: f32(0, 8), b: f32(4, 12) }, 12, "file-malformed"],
    ["the same range twice", { a: f32(0, 8), b: f32(0, 8) }, 8, "file-malformed"],
    ["a hole", { a: f32(0, 4), b: f32(8, 12) }, 12, "file-malformed"],
    ["a hole before the first", { a: f32(4, 8) }, 8, "file-malformed"],
    ["data behind the last", { a: f32(0, 4) }, 8, "file-malformed"],
    ["data of no tensor", {}, 1, "file-malformed"],
    ["missing data", { a: f32(0, 8) }, 7, "file-truncated"],
    [
      "a range that ends before it begins",
      { a: { ...f32(0, 4), data_offsets: [4, 0] } },
      4,
      "file-malformed",
    ],
    ["too few bytes for the shape", { a: { ...f32(0, 4), shape: [2] } }, 4, "file-malformed"],
    ["too many bytes for the shape", { a: { ...f32(0, 8), shape: [1] } }, 8, "file-malformed"],
    [
      "a shape whose product overflows",
      { a: { ...f32(0, 4), shape: [2 ** 40, 2 ** 40] } },
      4,
      "file-malformed",
    ],
    [
      "offsets that overflow",
      { a: { dtype: "U8", shape: [2 ** 53 - 1], data_offsets: [0, 2 ** 53 - 1] } },
      4,
      "file-malformed",
    ],
    ["three offsets", { a: { ...f32(0, 4), data_offsets: [0, 4, 4] } }, 4, "file-malformed"],
    ["one offset", { a: { ...f32(0, 4), data_offsets: [0] } }, 4, "file-malformed"],
    ["a text as shape", { a: { ...f32(0, 4), shape: "1" } }, 4, "file-malformed"],
    ["a text in the shape", { a: { ...f32(0, 4), shape: ["1"] } }, 4, "file-malformed"],
    ["an unknown key", { a: { ...f32(0, 4), extra: 1 } }, 4, "file-malformed"],
    ["a tensor that is no object", { a: "F32" }, 0, "file-malformed"],
    ["metadata that is no text", { __metadata__: { a: 1 } }, 0, "file-malformed"],
    ["metadata that is no object", { __metadata__: "a" }, 0, "file-malformed"],
    ["an unknown type", { a: { ...f32(0, 4), dtype: "F8_E4M3" } }, 4, "tensor-dtype"],
    ["a type of Object.prototype", { a: { ...f32(0, 4), dtype: "toString" } }, 4, "tensor-dtype"],
    ["a missing type", { a: { shape: [1], data_offsets: [0, 4] } }, 4, "tensor-dtype"],
  ])("refuses %s", (_, json, dataBytes, reason) => {
    expect(reasonOf(() => parse(json, dataBytes))).toBe(reason);
  });

  it("refuses bytes that are no UTF-8", () => {
    const refused = () => parseHeader(Uint8Array.of(0x7b, 0xff), { label: "x", size: 10 });
    expect(reasonOf(refused)).toBe("file-malformed");
  });

  it("names file and tensor, and keeps long names out of its message", () => {
    expect(() => parse({ conv: f32(0, 8) }, 4)).toThrow(/^x: expected \d+ bytes, got \d+/);
    expect(() => parse({ conv: { ...f32(0, 8), shape: [3] } }, 8)).toThrow(
      'x: "conv": expected 12 bytes for F32 [3], got 8',
    );
    try {
      parse({ ["n".repeat(1e6)]: "F32" });
    } catch (thrown) {
      expect(String(thrown).length).toBeLessThan(400);
    }
  });
});

describe("byteLengthOf", () => {
  it("multiplies the shape by the size of a value", () => {
    expect(byteLengthOf("F16", [2, 3])).toBe(12);
    expect(byteLengthOf("I64", [])).toBe(8);
    expect(byteLengthOf("F32", [2 ** 52, 0])).toBe(0);
  });

  it("has no answer beyond 2^53 - 1", () => {
    expect(byteLengthOf("U8", [2 ** 53 - 1])).toBe(2 ** 53 - 1);
    expect(byteLengthOf("U16", [2 ** 53 - 1])).toBeUndefined();
  });
});
