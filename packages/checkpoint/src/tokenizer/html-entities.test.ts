import { describe, expect, it } from "vitest";
import { unescapedHtml, windows1252Of } from "./html-entities.js";

describe("unescapedHtml", () => {
  it.each([
    ["&amp;&lt;&gt;&quot;", '&<>"'],
    ["&CounterClockwiseContourIntegral;", "&CounterClockwiseContourIntegral;"],
    ["&NotEqualTilde;", "\u2242\u0338"],
    ["P&EACUTE;REZ &SZLIG;", "PÉREZ SS"],
    ["&#65;&#x42;&#X43;", "ABC"],
    ["&#x80;", "€"],
    ["&#xd800;&#1114112;&#0;", "\ufffd\ufffd\ufffd"],
    ["&#1;&#xffff;&#127;", ""],
    ["&#59;", "&#59;"],
    ["&amp &nope; &#xg; & ;", "&amp &nope; &#xg; & ;"],
    ["&GTDOT;", "&GTDOT;"],
  ])("makes of %s %s", (text, unescaped) => {
    expect(unescapedHtml(text)).toBe(unescaped);
  });
});

describe("windows1252Of", () => {
  it("has signs where Latin-1 has controls, and Latin-1 elsewhere", () => {
    expect([0x80, 0x81, 0x99, 0x9f, 0xe9].map(windows1252Of).join("")).toBe("€\u0081™Ÿé");
  });
});
