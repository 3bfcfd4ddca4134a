import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeArtifactId, decodeEditId, decodeNodeId, decodeToken } from "./ids.js";

const refused = expect.objectContaining({ reason: "bad-message" });

describe.each([
  ["decodeNodeId", decodeNodeId],
  ["decodeEditId", decodeEditId],
])("%s", (_, decode) => {
  it.each(["a", "0", "gpu-node-0", "a".repeat(63)])("takes %j", (text) => {
    expect(decode(text)).toBe(text);
  });

  it.each(["", "a".repeat(64), "-a", "a-", "A", "a.b", "a b", "a*", ">", "a\n", "ä", "../a"])(
    "refuses %j",
    (text) => {
      expect(() => decode(text)).toThrow(refused);
    },
  );

  it("takes nothing that could leave its place in a subject or a path", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 8 }), (text) => {
        try {
          expect(decode(text)).toMatch(/^[a-z0-9-]+$/);
        } catch (thrown) {
          expect(thrown).toMatchObject({ reason: "bad-message" });
        }
      }),
    );
  });
});

describe("decodeArtifactId", () => {
  it("takes a digest, and nothing else", () => {
    const digest = "0123456789abcdef".repeat(4);
    expect(decodeArtifactId(digest, { subject: "delta" })).toBe(digest);
    for (const text of ["", digest.toUpperCase(), digest.slice(1), `${digest}0`, `${digest}\n`]) {
      expect(() => decodeArtifactId(text, { subject: "delta" })).toThrow(refused);
    }
  });
});

describe("decodeToken", () => {
  it("takes what is printable and short, and nothing else", () => {
    expect(decodeToken("e1/tune/0", { subject: "task id" })).toBe("e1/tune/0");
    expect(decodeToken("x".repeat(128), { subject: "task id" })).toHaveLength(128);
    for (const text of ["", "a b", "a\n", "ä", "x".repeat(129)]) {
      expect(() => decodeToken(text, { subject: "task id" })).toThrow(refused);
    }
  });
});
