import { RetakeError } from "@retake/errors";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mutated, mutations } from "../testing/mutations.js";
import { safetensorsBytes } from "../testing/safetensors-bytes.js";
import { byteLengthOf, decodeHeaderLength, type Header, parseHeader } from "./header.js";

/** Five properties of so many cases each: 125,000 in all. */
const casesPerProperty = 25_000;

/** What `openSafetensors` does, on a file of `bytes` and then `more` bytes that are never read. */
function parseFile(bytes: Uint8Array, more = 0): Header | RetakeError {
  const file = { label: "x", size: bytes.byteLength + more };
  try {
    const length = decodeHeaderLength(bytes.subarray(0, 8), file);
    return parseHeader(bytes.subarray(8, 8 + length), { ...file });
  } catch (thrown) {
    if (thrown instanceof RetakeError) return thrown;
    throw thrown;
  }
}

/** Whatever was accepted keeps the rules of the format. */
function expectSound(result: Header | RetakeError, size: number): void {
  if (result instanceof RetakeError) return;
  let end = -1;
  const ranges = [...result.tensors.values()].sort(
    (a, b) => a.offset - b.offset || a.byteLength - b.byteLength,
  );
  for (const { offset, byteLength, dtype, shape } of ranges) {
    expect(byteLength).toBe(byteLengthOf(dtype, shape));
    if (end >= 0) expect(offset).toBe(end);
    end = offset + byteLength;
  }
  if (ranges.length > 0) expect(end).toBe(size);
}

const tensor = (dtype: string, bytes: number) => ({ dtype, shape: [bytes / 4], bytes });

function validFile(): Uint8Array {
  let begin = 0;
  const header: Record<string, unknown> = { __metadata__: { format: "pt", "\u00e9": "\n" } };
  const tensors = [tensor("F32", 16), tensor("I32", 8), tensor("F32", 0), tensor("U32", 4)];
  for (const [index, { dtype, shape, bytes }] of tensors.entries()) {
    header[`block.${index}.weight`] = { dtype, shape, data_offsets: [begin, begin + bytes] };
    begin += bytes;
  }
  return safetensorsBytes(JSON.stringify(header), Buffer.alloc(begin));
}

const tokens = [
  ...["{", "}", "[", "]", ",", ":", '"', "\\", "\\u0061", '"__proto__"', '"constructor":{}', "-1"],
  ...['"__metadata__":{}', '"dtype":"F16"', '"shape":[]', '"data_offsets":[0,0]', "0", "9", "1e9"],
  ...[
    "9007199254740991",
    "9007199254740993",
    "18446744073709551616",
    "\u0000",
    "\ufeff",
    " ",
    "[[[",
  ],
];

const number = fc.oneof(
  fc.integer({ min: 0, max: 40 }),
  fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 1e300, -1, 0.5),
);
const description = fc.record(
  {
    dtype: fc.constantFrom("F32", "F16", "BF16", "I64", "BOOL", "F64", "X", "toString", "", 3),
    shape: fc.oneof(fc.array(number, { maxLength: 4 }), number, fc.constant(null)),
    data_offsets: fc.oneof(fc.tuple(number, number), fc.array(number, { maxLength: 3 })),
    other: number,
  },
  { requiredKeys: [] },
);
const name = fc.oneof(
  fc.constantFrom("a", "b", "__metadata__", "__proto__", "toString", "hasOwnProperty"),
  fc.string({ unit: "binary", maxLength: 6 }),
);

describe("parseHeader, with generated files", () => {
  const options = { numRuns: casesPerProperty };

  it("ends in a value or a RetakeError for random bytes", () => {
    const property = fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expectSound(parseFile(bytes), bytes.byteLength);
    });
    fc.assert(property, options);
  });

  it("does so for random text behind the right length", () => {
    const text = fc.array(fc.oneof(fc.constantFrom(...tokens), fc.string({ maxLength: 3 })));
    const property = fc.property(text, fc.nat(40), (parts, more) => {
      const bytes = safetensorsBytes(`{${parts.join("")}`);
      expectSound(parseFile(bytes, more), bytes.byteLength + more);
    });
    fc.assert(property, options);
  });

  it("does so for a valid file that was changed in places", () => {
    const valid = validFile();
    expect(parseFile(valid)).not.toBeInstanceOf(RetakeError);
    const property = fc.property(mutations(tokens), (changes) => {
      const bytes = mutated(valid, changes);
      expectSound(parseFile(bytes), bytes.byteLength);
    });
    fc.assert(property, options);
  });

  it("does so for a changed header behind the right length", () => {
    const valid = validFile();
    const header = valid.subarray(8, 8 + Number(Buffer.from(valid).readBigUInt64LE()));
    const property = fc.property(mutations(tokens), fc.nat(64), (changes, more) => {
      const bytes = safetensorsBytes(Buffer.from(mutated(header, changes)).toString("latin1"));
      expectSound(parseFile(bytes, more), bytes.byteLength + more);
    });
    fc.assert(property, options);
  });

  it("does so for descriptions of tensors with plausible and absurd values", () => {
    const header = fc.array(fc.tuple(name, description), { maxLength: 5 });
    const property = fc.property(header, fc.nat(80), (entries, more) => {
      const fields = entries.map(
        ([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`,
      );
      const bytes = safetensorsBytes(`{${fields.join(",")}}`);
      expectSound(parseFile(bytes, more), bytes.byteLength + more);
    });
    fc.assert(property, options);
  });
});
