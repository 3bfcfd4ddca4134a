import fc from "fast-check";

/** One change of a run of bytes; places are shares of the length, so that any fits any bytes. */
type Mutation =
  | { readonly kind: "set"; readonly at: number; readonly value: number }
  | { readonly kind: "insert"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "remove"; readonly at: number; readonly count: number }
  | { readonly kind: "repeat"; readonly at: number; readonly count: number };

const place = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });

/** Up to five changes, `tokens` being what the format's own bytes look like. */
export function mutations(tokens: readonly string[]): fc.Arbitrary<readonly Mutation[]> {
  const text = fc.constantFrom(...tokens).map((token) => new TextEncoder().encode(token));
  const bytes = fc.oneof(text, fc.uint8Array({ maxLength: 8 }));
  const count = fc.integer({ min: 1, max: 24 });
  const value = fc.integer({ min: 0, max: 255 });
  const mutation = fc.oneof(
    fc.record({ kind: fc.constant("set" as const), at: place, value }),
    fc.record({ kind: fc.constant("insert" as const), at: place, bytes }),
    fc.record({ kind: fc.constant("remove" as const), at: place, count }),
    fc.record({ kind: fc.constant("repeat" as const), at: place, count }),
  );
  return fc.array(mutation, { minLength: 1, maxLength: 5 });
}

/** The bytes after the changes, in their order. */
export function mutated(source: Uint8Array, changes: readonly Mutation[]): Uint8Array {
  let bytes = Buffer.from(source);
  for (const change of changes) {
    const at = Math.floor(change.at * bytes.byteLength);
    const [before, behind] = [bytes.subarray(0, at), bytes.subarray(at)];
    switch (change.kind) {
      case "set":
        bytes[at] = change.value;
        break;
      case "insert":
        bytes = Buffer.concat([before, change.bytes, behind]);
        break;
      case "remove":
        bytes = Buffer.concat([before, behind.subarray(change.count)]);
        break;
      case "repeat":
        bytes = Buffer.concat([before, behind.subarray(0, change.count), behind]);
        break;
    }
  }
  return new Uint8Array(bytes);
}
