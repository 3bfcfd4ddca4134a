import { Code, RetakeError } from "@retake/errors";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  booleanField,
  choicesField,
  configSource,
  integerField,
  integersField,
  refuseField,
} from "./config-fields.js";

const source = (values: Record<string, unknown>) => configSource("a.json", values);
const limits = { min: 1, max: 4, fallback: 2 };

describe("configSource", () => {
  it.each([null, [], "text", 3, undefined])("refuses %j, which is no object", (json) => {
    expect(() => configSource("a.json", json)).toThrow(/a.json: expected a JSON object/);
  });

  it("reads no field from a prototype", () => {
    const inherited = JSON.parse('{"__proto__": {"size": 3}}');
    expect(integerField(configSource("a.json", inherited), "size", limits)).toBe(2);
    expect(integerField(source({}), "constructor", limits)).toBe(2);
  });
});

describe("integerField", () => {
  it("takes its limits, and the fallback where the field is absent or null", () => {
    expect([1, 4, null].map((size) => integerField(source({ size }), "size", limits))).toEqual([
      1, 4, 2,
    ]);
  });

  it.each([0, 5, 2.5, "2", true, [2]])("refuses %j", (size) => {
    expect(() => integerField(source({ size }), "size", limits)).toThrow(RetakeError);
  });

  it("says the file, the field, what was expected and what came", () => {
    const message = "a.json: size: expected an integer from 1 to 4, got 5; use a checkpoint";
    expect(() => integerField(source({ size: 5 }), "size", limits)).toThrow(message);
  });

  it("refuses an absent field that has no fallback", () => {
    expect(() => integerField(source({}), "size", { min: 1, max: 4 })).toThrow(/got nothing/);
  });

  it("cuts a long value short in its message", () => {
    const size = "x".repeat(10_000);
    try {
      integerField(source({ size }), "size", limits);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: Code.InvalidArgument, reason: "config-unsupported" });
      expect(String(error).length).toBeLessThan(250);
    }
  });
});

describe("booleanField", () => {
  it("takes booleans only", () => {
    expect(booleanField(source({ on: true }), "on", false)).toBe(true);
    expect(booleanField(source({}), "on", false)).toBe(false);
    expect(() => booleanField(source({ on: 1 }), "on", false)).toThrow(/true or false, got 1/);
  });
});

describe("integersField", () => {
  const options = { each: { min: 1, max: 9 }, length: { min: 1, max: 2 }, fallback: [7] };

  it("takes a list within its limits", () => {
    expect(integersField(source({ sizes: [1, 9] }), "sizes", options)).toEqual([1, 9]);
    expect(integersField(source({}), "sizes", options)).toEqual([7]);
  });

  it.each([[[]], [[1, 2, 3]], [[0]], [[10]], [[1.5]], [["1"]], [3], [{ length: 1 }]])(
    "refuses %j",
    (sizes) => {
      expect(() => integersField(source({ sizes }), "sizes", options)).toThrow(RetakeError);
    },
  );
});

describe("choicesField", () => {
  const options = { choices: ["a", "b"], length: 2, fallback: ["a", "a"] } as const;

  it("takes as many known names as there are places", () => {
    expect(choicesField(source({ names: ["b", "a"] }), "names", options)).toEqual(["b", "a"]);
  });

  it.each([[["a"]], [["a", "b", "a"]], [["a", "c"]], ["ab"], [{}]])("refuses %j", (names) => {
    expect(() => choicesField(source({ names }), "names", options)).toThrow(RetakeError);
  });
});

describe("refuseField", () => {
  it.each([undefined, null, false, [], [false, false]])("passes %j", (value) => {
    expect(() => refuseField(source({ value }), "value")).not.toThrow();
  });

  it.each([true, 1, "x", [false, true], {}])("refuses %j", (value) => {
    expect(() => refuseField(source({ value }), "value")).toThrow(RetakeError);
  });

  it("passes the values that change nothing, and no others", () => {
    expect(() => refuseField(source({ value: "default" }), "value", ["default"])).not.toThrow();
    expect(() => refuseField(source({ value: false }), "value", ["default"])).toThrow(RetakeError);
  });

  it("either passes or throws a RetakeError, for any JSON", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        try {
          refuseField(source({ value }), "value");
        } catch (error) {
          expect(error).toBeInstanceOf(RetakeError);
        }
      }),
    );
  });
});
