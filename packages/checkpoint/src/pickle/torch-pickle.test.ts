import { describe, expect, it } from "vitest";
import { assemble, storageReference, tensorPickle } from "../testing/pickle-assembly.js";
import { failureOf } from "../testing/temporary-folder.js";
import { readTorchPickle } from "./torch-pickle.js";

const { pickle, text, int, tuple, dict, code, global } = assemble;

const read = (...parts: readonly Buffer[]) =>
  readTorchPickle(pickle(...parts), { label: "x", start: 0 }).tensors;
const one = (tensor: Buffer) => read(dict(text("a"), tensor)).get("a");

describe("readTorchPickle", () => {
  it("reads a view of a storage", () => {
    const options = { count: 10, start: 2, shape: [2, 3], strides: [1, 2], type: "HalfStorage" };
    expect(one(tensorPickle(options))).toEqual({
      storage: { key: "0", dtype: "F16", count: 10 },
      start: 2,
      shape: [2, 3],
      strides: [1, 2],
    });
  });

  it("takes parameters, ordered dictionaries, and one dictionary within another", () => {
    const tensor = tensorPickle({ count: 1, shape: [], strides: [] });
    const parameter = Buffer.concat([
      global("torch._utils", { name: "_rebuild_parameter" }),
      tuple(tensor, code("\x88"), code("N")),
      code("R"),
    ]);
    expect(one(parameter)?.shape).toEqual([]);
    const pairs = Buffer.concat([code("]"), tuple(text("a"), tensor), code("a")]);
    const ordered = global("collections", { name: "OrderedDict" });
    expect(read(ordered, tuple(pairs), code("R")).size).toBe(1);
    expect([...read(dict(text("state_dict"), dict(text("b"), tensor))).keys()]).toEqual(["b"]);
  });

  it("takes a tensor that ends with its storage, and refuses one value more", async () => {
    expect(one(tensorPickle({ count: 6, shape: [2, 3], strides: [3, 1] }))).toBeDefined();
    const beyond = [
      { count: 5, shape: [2, 3], strides: [3, 1] },
      { count: 6, start: 1, shape: [2, 3], strides: [3, 1] },
      { count: 6, shape: [2, 2], strides: [5, 1] },
      { count: 6, shape: [7], strides: [0] },
      { count: 6, shape: [2 ** 30, 2 ** 30, 2 ** 30], strides: [0, 0, 0] },
    ];
    for (const options of beyond) {
      expect((await failureOf(() => one(tensorPickle(options)))).reason).toBe("file-malformed");
    }
  });

  it.each([
    ["negative sizes", tensorPickle({ count: 6, shape: [-1], strides: [1] })],
    ["a stride too few", tensorPickle({ count: 6, shape: [1, 1], strides: [1] })],
    ["a negative start", tensorPickle({ count: 6, start: -1, shape: [1], strides: [1] })],
    ["a number for a tensor", int(1)],
    ["a dictionary for a tensor", code("}")],
    ["a storage for a tensor", storageReference("FloatStorage", { count: 1 })],
    ["a name for a tensor", global("torch", { name: "FloatStorage" })],
  ])("refuses %s", async (_, value) => {
    expect((await failureOf(() => one(value))).reason).toBe("file-malformed");
  });

  it.each([
    ["a number", int(1)],
    ["a reference to a module", Buffer.concat([tuple(text("module"), text("0")), code("Q")])],
    ["a key that is no text", dict(int(1), tensorPickle({ count: 1, shape: [], strides: [] }))],
    [
      "a key of Object.prototype",
      dict(text("__proto__"), tensorPickle({ count: 1, shape: [], strides: [] })),
    ],
  ])("refuses %s as the whole", async (_, value) => {
    expect((await failureOf(() => read(value))).reason).toBe("file-malformed");
  });

  it.each([
    ["a storage's class", [global("torch", { name: "FloatStorage" }), tuple(int(1)), code("R")]],
    ["a text", [text("os.system"), tuple(int(1)), code("R")]],
    ["a tensor", [tensorPickle({ count: 1, shape: [], strides: [] }), tuple(), code("R")]],
  ])("refuses to call %s", async (_, parts) => {
    expect((await failureOf(() => read(...parts))).reason).toBe("pickle-forbidden");
  });

  it.each([
    ["os", "system"],
    ["builtins", "exec"],
    ["torch", "load"],
    ["torch._utils", "_rebuild_device_tensor_from_numpy"],
    ["torch.storage", "_load_from_bytes"],
    ["numpy.core.multiarray", "_reconstruct"],
  ])("refuses %s.%s", async (module, name) => {
    const failure = await failureOf(() => read(global(module, { name })));
    expect(failure.reason).toBe("pickle-forbidden");
    expect(failure.message).toContain(`${module}.${name}`);
  });
});
