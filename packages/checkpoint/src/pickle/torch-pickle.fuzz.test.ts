import { RetakeError } from "@retake/errors";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mutated, mutations } from "../testing/mutations.js";
import { assemble, tensorPickle } from "../testing/pickle-assembly.js";
import { readTorchPickle } from "./torch-pickle.js";

const { pickle, text, dict, tuple, code, global } = assemble;

/** Two properties of so many cases each. */
const casesPerProperty = 10_000;

const tokens = [
  ..."(.t)]}usaebqhQR0N2".split(""),
  ...["\u0000", "cos\nsystem\n", "ctorch\nFloatStorage\n", "K\u0001", "J\u0000\u0000\u0000\u0000"],
];

/** Whatever is accepted lies inside its storage. */
function expectEnd(bytes: Uint8Array): void {
  try {
    const { tensors } = readTorchPickle(bytes, { label: "x", start: 0 });
    for (const { storage, start, shape, strides } of tensors.values()) {
      if (shape.includes(0)) continue;
      const last = shape.reduce(
        (sum, size, axis) => sum + (size - 1) * (strides[axis] ?? 0),
        start,
      );
      expect(last).toBeLessThan(storage.count);
    }
  } catch (thrown) {
    if (!(thrown instanceof RetakeError)) throw thrown;
  }
}

describe("readTorchPickle, with generated pickles", () => {
  const options = { numRuns: casesPerProperty };

  it("ends in tensors or a RetakeError for a valid pickle that was changed in places", () => {
    const valid = pickle(
      dict(
        text("a"),
        tensorPickle({ count: 6, shape: [2, 3], strides: [3, 1] }),
        text("b"),
        tensorPickle({ count: 9, start: 1, shape: [2, 2], strides: [1, 2] }),
      ),
      tuple(global("collections", { name: "OrderedDict" })),
      code("0"),
    );
    const property = fc.property(mutations(tokens), (changes) =>
      expectEnd(mutated(valid, changes)),
    );
    fc.assert(property, options);
  });

  it("does so for random instructions", () => {
    const parts = fc.array(fc.oneof(fc.constantFrom(...tokens), fc.string({ maxLength: 2 })));
    const property = fc.property(parts, (list) => {
      expectEnd(Buffer.from(`${list.join("")}.`, "latin1"));
    });
    fc.assert(property, options);
  });
});
