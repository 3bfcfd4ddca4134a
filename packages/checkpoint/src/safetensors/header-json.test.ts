import { RetakeError } from "@retake/errors";
import { describe, expect, it } from "vitest";
import { parseHeaderJson } from "./header-json.js";

const parse = (text: string): unknown => parseHeaderJson(text, { label: "x" });

describe("parseHeaderJson", () => {
  it("reads objects as maps, arrays, texts and whole numbers", () => {
    const text = ' {"a": [1, 0,9007199254740991] ,\n"b":{"c":"d"},"e":[],"f":{}} '.trim();
    expect(parse(text)).toEqual(
      new Map<string, unknown>([
        ["a", [1, 0, 9007199254740991]],
        ["b", new Map([["c", "d"]])],
        ["e", []],
        ["f", new Map()],
      ]),
    );
  });

  it("reads escapes as JSON does", () => {
    expect(parse('{"\\u0061\\n\\"\\\\":"\\ud83d\\ude00"}')).toEqual(new Map([['a\n"\\', "😀"]]));
  });

  it("takes white space after the header, which aligns the data", () => {
    expect(parse("{}   \n")).toEqual(new Map());
  });

  it.each([
    ["a second key of the same name", '{"a":1,"a":1}'],
    ["the same key written with an escape", '{"a":1,"\\u0061":1}'],
    ["a second key deeper down", '{"a":{"b":1,"b":2}}'],
    ["a key of Object.prototype", '{"__proto__":{}}'],
    ["another one", '{"a":{"constructor":1}}'],
    ["one written with an escape", '{"\\u005f_proto__":{}}'],
    ["a space before the brace", ' {"a":1}'],
    ["a byte order mark before it", '\ufeff{"a":1}'],
    ["an array", "[1]"],
    ["nothing", ""],
    ["text after the end", "{} x"],
    ["a second object", "{}{}"],
    ["a comma at the end", '{"a":1,}'],
    ["a comma at an array's end", '{"a":[1,]}'],
    ["a missing comma", '{"a":1 "b":2}'],
    ["a missing colon", '{"a" 1}'],
    ["an unfinished object", '{"a":1'],
    ["an unfinished array", '{"a":[1'],
    ["an unfinished text", '{"a'],
    ["an unfinished escape", '{"a\\'],
    ["an unknown escape", '{"\\x61":1}'],
    ["a line feed in a text", '{"a\n":1}'],
    ["a fraction", '{"a":1.5}'],
    ["an exponent", '{"a":1e3}'],
    ["a negative number", '{"a":-1}'],
    ["a number beyond 2^53 - 1", '{"a":9007199254740992}'],
    ["a leading zero", '{"a":01}'],
    ["null", '{"a":null}'],
    ["true", '{"a":true}'],
    ["a key that is no text", "{1:2}"],
    ["a fourth level", '{"a":{"b":[[1]]}}'],
  ])("refuses %s", (_, text) => {
    expect(() => parse(text)).toThrow(RetakeError);
  });

  it("ends for a million opening brackets and for a text of ten million characters", () => {
    expect(() => parse(`{"a":${"[".repeat(1e6)}`)).toThrow(/at most 3 levels/);
    expect(parse(`{"a":"${"x".repeat(1e7)}"}`)).toBeInstanceOf(Map);
  });
});
