import { RetakeError } from "@retake/errors";
import { describe, expect, it } from "vitest";
import { badOption, choice, patterned, realNumber, wholeNumber } from "./decode-setting.js";

const about = { flags: "--n <count>", help: "a number" };

describe("wholeNumber", () => {
  const { decode } = wholeNumber({ ...about, min: 1, max: 10 });

  it("reads digits from the command line, and numbers from JSON", () => {
    expect([decode("1", "--n"), decode("10", "--n"), decode(7, "--n")]).toEqual([1, 10, 7]);
    expect(decode("1e1", "--n")).toBe(10);
  });

  it.each([
    "0",
    "11",
    "1.5",
    "NaN",
    "",
    " 3",
    "0x3",
    "3 frames",
    "1e999",
    11,
    null,
    "x".repeat(99),
  ])("refuses %j in one sentence that names the option", (wrong) => {
    expect(() => decode(wrong, "--n")).toThrow(
      /^--n: expected a whole number from 1 to 10, got .{1,70}; see retake --help$/,
    );
  });
});

describe("realNumber", () => {
  const { decode } = realNumber({ ...about, min: 0, max: 1, above: true });

  it("excludes its lower bound where that is said, never its upper", () => {
    expect([decode("1", "--n"), decode(".5", "--n"), decode("1e-9", "--n")]).toEqual([
      1, 0.5, 1e-9,
    ]);
    expect(() => decode("0", "--n")).toThrow("above 0 to 1");
    expect(() => decode("1.0001", "--n")).toThrow("above 0 to 1");
    expect(() => decode("Infinity", "--n")).toThrow("expected a number");
  });

  it("includes it otherwise", () => {
    expect(realNumber({ ...about, min: 1, max: 9 }).decode("1", "--n")).toBe(1);
  });
});

describe("choice", () => {
  it("takes its words, exactly", () => {
    const { decode } = choice({ ...about, choices: ["low", "fast"] });
    expect(decode("low", "--n")).toBe("low");
    expect(() => decode("Low", "--n")).toThrow('expected one of low, fast, got "Low"');
  });
});

describe("patterned", () => {
  it("takes text of its form, and a number where its digits are", () => {
    const { decode } = patterned({ ...about, pattern: /^\d+$/, expected: "digits" });
    expect([decode("12", "--n"), decode(3, "--n")]).toEqual(["12", "3"]);
    expect(() => decode("1s", "--n")).toThrow("expected digits");
  });
});

describe("badOption", () => {
  it("is a bad request", () => {
    const error = badOption("--n", { expected: "a number", got: undefined });
    expect(error).toBeInstanceOf(RetakeError);
    expect([error.code, error.reason]).toEqual(["INVALID_ARGUMENT", "bad-option"]);
  });
});
