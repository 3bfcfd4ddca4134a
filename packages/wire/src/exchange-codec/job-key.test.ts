import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  assertJobToken,
  decodeJobKey,
  type JobTokenOf,
  jobToken,
  seal,
  sealBytes,
  unsealed,
} from "./job-key.js";

const refused = expect.objectContaining({ code: "PERMISSION_DENIED", reason: "not-allowed" });
const keys = fc.uint8Array({ minLength: 32, maxLength: 32 });
const bodies = fc.uint8Array({ maxLength: 200 });

function sealed(kind: "request" | "frame", body: Uint8Array, key: Uint8Array): Uint8Array {
  const message = new Uint8Array(sealBytes + body.length);
  message.set(body, sealBytes);
  seal(kind, message, key);
  return message;
}

describe("seal and unsealed", () => {
  it("give back what was sealed under the same key, and nothing under another", () => {
    fc.assert(
      fc.property(bodies, keys, keys, (body, key, other) => {
        const message = sealed("frame", body, key);
        expect(unsealed("frame", message, key)).toEqual(body);
        fc.pre(!Buffer.from(key).equals(other));
        expect(() => unsealed("frame", message, other)).toThrow(refused);
        expect(() => unsealed("request", message, key)).toThrow(refused);
      }),
    );
  });

  it("refuse what was cut, turned or never sealed", () => {
    const change = fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 }));
    fc.assert(
      fc.property(bodies, keys, change, (body, key, [place, turn]) => {
        const message = sealed("request", body, key);
        const at = place % message.length;
        const turned = message.map((byte, index) => (index === at ? byte ^ turn : byte));
        for (const wrong of [turned, message.subarray(0, at), body]) {
          expect(() => unsealed("request", wrong, key)).toThrow(refused);
        }
      }),
    );
  });

  it("never seal the same twice alike", () => {
    const [one, other] = [1, 2].map(() => sealed("frame", Uint8Array.of(1), new Uint8Array(32)));
    expect(one).not.toEqual(other);
  });
});

describe("jobToken and assertJobToken", () => {
  const of: JobTokenOf = ["snapshot", "e-1"];

  it("let in who has the key, to what it asks for, and to nothing else", () => {
    fc.assert(
      fc.property(keys, keys, (key, other) => {
        fc.pre(!Buffer.from(key).equals(other));
        const token = jobToken(key, of);
        assertJobToken(token, key, of);
        const elsewhere: readonly JobTokenOf[] = [
          ["snapshot", "e-2"],
          ["branch", "e-1"],
        ];
        for (const place of elsewhere) {
          expect(() => assertJobToken(token, key, place)).toThrow(refused);
        }
        for (const wrong of [jobToken(other, of), new Uint8Array(), token.subarray(1), key]) {
          expect(() => assertJobToken(wrong, key, of)).toThrow(refused);
        }
      }),
    );
  });
});

describe("decodeJobKey", () => {
  it("takes 32 bytes", () => {
    const key = new Uint8Array(32);
    expect(decodeJobKey(key)).toBe(key);
    for (const length of [0, 31, 33]) {
      expect(() => decodeJobKey(new Uint8Array(length))).toThrow(/expected 32 bytes/);
    }
  });
});
