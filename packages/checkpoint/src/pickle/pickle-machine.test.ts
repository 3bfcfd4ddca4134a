import { describe, expect, it } from "vitest";
import { assemble } from "../testing/pickle-assembly.js";
import { failureOf } from "../testing/temporary-folder.js";
import { readPickle } from "./pickle-machine.js";

const { pickle, text, int, tuple, dict, code, global } = assemble;

const world = {
  find: (name: string) => (name === "known.Name" ? "KNOWN" : undefined),
  call: (callable: unknown, parameters: readonly unknown[]) => ({ callable, parameters }),
  persistent: (id: unknown) => ({ id }),
};

const read = (...parts: readonly Buffer[]): unknown =>
  readPickle(pickle(...parts), { label: "x", start: 0 }, world).value;

describe("readPickle", () => {
  it("builds numbers, texts, lists and dictionaries", () => {
    expect(read(code("K\xff"))).toBe(255);
    expect(read(code("M\x01\x02"))).toBe(513);
    expect(read(int(-5))).toBe(-5);
    expect(read(code("\x8a\x02\xff\xff"))).toBe(-1);
    expect(read(code("\x8a\x00"))).toBe(0);
    expect(read(code("\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80"))).toBe(-(2n ** 63n));
    expect(read(code("G\x3f\xf8\x00\x00\x00\x00\x00\x00"))).toBe(1.5);
    expect(read(text("höher"))).toBe("höher");
    expect(read(code("\x8c\x02ab"))).toBe("ab");
    expect([read(code("N")), read(code("\x88")), read(code("\x89"))]).toEqual([null, true, false]);
    expect(read(code("](K\x01K\x02e"))).toEqual([1, 2]);
    expect(read(code("]K\x01a"))).toEqual([1]);
    expect(read(code("K\x01K\x02K\x03\x87"))).toEqual([1, 2, 3]);
    expect(read(dict(text("a"), int(1)), text("b"), int(2), code("s"))).toEqual(
      new Map([
        ["a", 1],
        ["b", 2],
      ]),
    );
  });

  it("remembers and recalls values, and skips a dictionary's state", () => {
    expect(read(text("a"), code("q\x05"), code("0(h\x05h\x05t"))).toEqual(["a", "a"]);
    expect(read(text("a"), code("\x94"), code("h\x00\x86"))).toEqual(["a", "a"]);
    expect(read(code("}"), dict(text("_metadata"), int(1)), code("b"))).toEqual(new Map());
  });

  it("hands known names, calls and references to its world", () => {
    expect(read(global("known", { name: "Name" }))).toBe("KNOWN");
    expect(read(code("\x8c\x05known\x8c\x04Name\x93"))).toBe("KNOWN");
    const called = read(global("known", { name: "Name" }), tuple(int(1)), code("R"));
    expect(called).toEqual({ callable: "KNOWN", parameters: [1] });
    expect(read(text("key"), code("Q"))).toEqual({ id: "key" });
  });

  it("says where the pickle ends, and begins where it is told to", () => {
    const bytes = Buffer.concat([Buffer.from("junk"), pickle(int(7)), Buffer.from("more")]);
    expect(readPickle(bytes, { label: "x", start: 4 }, world)).toEqual({ value: 7, end: 12 });
  });

  it("refuses os.system before anything is called, and names it", async () => {
    const attack = () =>
      read(global("os", { name: "system" }), tuple(text("touch /tmp/owned")), code("R"));
    const failure = await failureOf(attack);
    expect(failure.reason).toBe("pickle-forbidden");
    expect(failure.message).toContain('the name "os.system"');
  });

  it.each([
    ["builtins.eval by STACK_GLOBAL", code("\x8c\x08builtins\x8c\x04eval\x93")],
    ["a name that only looks known", global("known.Name", { name: "__class__" })],
    ["an object by INST", code("(ios\nsystem\n")],
    ["an object by OBJ", code("(o")],
    ["an object by NEWOBJ", code("N)\x81")],
    ["an object by NEWOBJ_EX", code("N)}\x92")],
    ["an object by EXT1", code("\x82\x01")],
    ["state for another thing than a dictionary", code("]}b")],
  ])("refuses %s", async (_, part) => {
    expect((await failureOf(() => read(part))).reason).toBe("pickle-forbidden");
  });

  it.each([
    ["a value that is not there", code("")],
    ["a mark that is not there", code("t")],
    ["a mark where a value should be", code("(K\x01(s")],
    ["pairs that are not pairs", code("}(K\x01u")],
    ["items of another thing than a dictionary", code("](K\x01K\x02u")],
    ["an appended value of a dictionary", code("}K\x01a")],
    ["a call without a tuple", code("K\x01K\x02R")],
    ["a value that was never remembered", code("h\x07")],
    ["two numbers as a name", code("K\x01K\x02\x93")],
    ["an unknown instruction", code("\xf0")],
    ["a text longer than the file", code("X\xff\xff\xff\xff")],
    ["a name without its line feed", code("cos")],
  ])("ends with file-malformed for %s", async (_, part) => {
    expect((await failureOf(() => read(part))).reason).toBe("file-malformed");
  });

  it("ends with file-malformed where the pickle stops early, at every byte", async () => {
    const whole = pickle(dict(text("a"), tuple(int(1), code("G\0\0\0\0\0\0\0\0"))));
    for (let length = 0; length < whole.byteLength; length++) {
      const cut = () => readPickle(whole.subarray(0, length), { label: "x", start: 0 }, world);
      expect((await failureOf(cut)).reason).toBe("file-malformed");
    }
  });
});
