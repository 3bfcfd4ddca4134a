import fc from "fast-check";

/** One field of a message takes another value of its type; which one is chosen by a number. */
export interface Change {
  readonly place: number;
  readonly number: number;
  readonly text: string;
  readonly bytes: Uint8Array;
  readonly isGone: boolean;
}

const numbers = [
  ...[0, -1, 1, 1.5, 65_535, 65_536, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 63, 1e21, 1e308, -1e308],
  ...[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
] as const;
const texts = ["", " ", "a", "-a", "a:1", ":0", "a:65536", "\n", "ä", "x".repeat(300)] as const;

/** Up to four changes, more often to what a decoder might trip over than to anything. */
export const changes: fc.Arbitrary<readonly Change[]> = fc.array(
  fc.record({
    place: fc.nat(),
    number: fc.oneof(fc.constantFrom(...numbers), fc.double(), fc.integer()),
    text: fc.oneof(fc.constantFrom(...texts), fc.string({ maxLength: 140 })),
    bytes: fc.uint8Array({ maxLength: 40 }),
    isGone: fc.boolean(),
  }),
  { minLength: 1, maxLength: 4 },
);

interface Field {
  readonly owner: Record<string, unknown>;
  readonly name: string;
}

/** All fields of a message, those of the messages in it too. */
function fieldsOf(owner: Record<string, unknown>): readonly Field[] {
  return Object.entries(owner).flatMap(([name, value]): Field[] => {
    const isPart = typeof value === "object" && value !== null && !(value instanceof Uint8Array);
    const inner = isPart ? fieldsOf(value as Record<string, unknown>) : [];
    return [{ owner, name }, ...inner];
  });
}

/**
 * A copy of a message with some of its fields changed, as protobuf could give it: numbers stay
 * numbers and lists stay lists; a message within it, or an optional field, may be missing.
 */
export function changed<Message extends object>(
  message: Message,
  all: readonly Change[],
  { isOptional }: { readonly isOptional: boolean },
): Message {
  const copy = structuredClone(message);
  for (const change of all) {
    const fields = fieldsOf(copy as Record<string, unknown>);
    const { owner, name } = fields[change.place % Math.max(1, fields.length)] ?? {};
    if (owner === undefined || name === undefined || Array.isArray(owner)) continue;
    // Which of its fields a oneof holds is the parser's word.
    if (name !== "$case") owner[name] = another(owner[name], change, { isOptional });
  }
  return copy;
}

function another(
  value: unknown,
  { number, text, bytes, isGone }: Change,
  { isOptional }: { readonly isOptional: boolean },
): unknown {
  if (Array.isArray(value)) return isGone ? [] : [...value, ...value];
  if (value instanceof Uint8Array) return bytes;
  if (typeof value === "object") return isGone ? undefined : value;
  if (isOptional && isGone) return undefined;
  if (typeof value === "number") return number;
  return typeof value === "string" ? text : value;
}
