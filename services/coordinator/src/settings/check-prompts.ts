import { Code, RetakeError } from "@retake/errors";

/** As the tokenizer has it; a text encoder sees a few hundred characters at most. */
const promptCharactersMax = 2000;
const promptsMax = 64;

/**
 * Checks the sentences of an edit before any work is done for them.
 *
 * @throws RetakeError  `prompt-empty`, `prompt-too-long`, `bad-option` for too many
 */
export function checkPrompts(given: {
  readonly source?: string | undefined;
  readonly prompts?: readonly string[] | undefined;
  readonly negative?: string | undefined;
}): void {
  const { source, prompts, negative } = given;
  if ("source" in given)
    assertSaysSomething(source, "--source: a sentence that says what the clip shows");
  if (prompts !== undefined) {
    if (prompts.length === 0) {
      assertSaysSomething(undefined, "--prompt: a sentence that says what the clip should show");
    }
    if (prompts.length > promptsMax) {
      const message = `--prompt: expected at most ${promptsMax} of them, got ${prompts.length}`;
      throw new RetakeError(Code.InvalidArgument, "bad-option", `${message}; run the rest later`);
    }
    for (const prompt of prompts) {
      assertSaysSomething(prompt, "--prompt: a sentence that says what the clip should show");
    }
  }
  for (const text of [source, negative, ...(prompts ?? [])]) assertLength(text ?? "");
}

function assertSaysSomething(text: string | undefined, what: string): void {
  if (text !== undefined && text.trim() !== "") return;
  const [option, meaning] = what.split(": ");
  const got = text === undefined ? "none" : "an empty one";
  const message = `${option}: expected ${meaning}, got ${got}; give it in quotes`;
  throw new RetakeError(Code.InvalidArgument, "prompt-empty", message);
}

function assertLength(text: string): void {
  if (text.length <= promptCharactersMax) return;
  const expected = `expected at most ${promptCharactersMax} characters`;
  const message = `prompt: ${expected}, got ${text.length}; shorten it`;
  throw new RetakeError(Code.InvalidArgument, "prompt-too-long", message);
}
