import { Code, RetakeError } from "@retake/errors";

/** The refusal of a message whose fields make no sense. */
export function badMessage(
  subject: string,
  { expected, got }: { readonly expected: string; readonly got: unknown },
): RetakeError {
  const shown = typeof got === "string" ? JSON.stringify(got.slice(0, 80)) : String(got);
  const message = `${subject}: expected ${expected}, got ${shown}`;
  return new RetakeError(Code.InvalidArgument, "bad-message", message);
}

/** @throws RetakeError  `bad-message` if a part of a message is not there */
export function present<Part>(part: Part | undefined, subject: string): Part {
  if (part !== undefined) return part;
  throw badMessage(subject, { expected: "it to be given", got: "nothing" });
}

/** @throws RetakeError  `bad-message` unless it is a whole number within the limits */
export function wholeNumber(
  value: number | undefined,
  { subject, min, max }: { readonly subject: string; readonly min: number; readonly max: number },
): number {
  if (value !== undefined && Number.isSafeInteger(value) && value >= min && value <= max) {
    return value;
  }
  throw badMessage(subject, { expected: `a whole number from ${min} to ${max}`, got: value });
}

/** @throws RetakeError  `bad-message` unless it is a finite number within the limits */
export function finiteNumber(
  value: number | undefined,
  { subject, min, max }: { readonly subject: string; readonly min: number; readonly max: number },
): number {
  if (value !== undefined && Number.isFinite(value) && value >= min && value <= max) return value;
  throw badMessage(subject, { expected: `a number from ${min} to ${max}`, got: value });
}
