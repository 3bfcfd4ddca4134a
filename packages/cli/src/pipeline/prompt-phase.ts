import { encodePrompts, type HostTensor, readTensors, writeTensors } from "@retake/gpu-node";
import { artifact } from "../cache/artifact-store.js";
import type { Session } from "./session.js";

/** Encodings by prompt: `[1, promptTokens, channels]` each. */
export type EncodedPrompts = ReadonlyMap<string, HostTensor>;

/** Encodes what has to be said, each sentence once. */
export async function promptPhase(
  session: Session,
  prompts: readonly string[],
): Promise<EncodedPrompts> {
  const { model, reporter, store } = session;
  const { tokenizer, hash } = model.files;
  return reporter.phase("prompts", async (phase) => {
    const encoded = new Map<string, HostTensor>();
    let allReused = true;
    for (const prompt of new Set(prompts)) {
      const { ids, truncated } = tokenizer.tokenize(prompt);
      if (truncated) {
        const limit = `only its first ${tokenizer.tokensMax - 2} tokens count`;
        reporter.warn(`prompt: ${limit}: ${JSON.stringify(prompt.slice(0, 60))}`);
      }
      const { value, reused } = await artifact(store, {
        kind: "prompt",
        key: { model: hash, ids: [...ids], numerics: model.numericsId },
        make: () => encodeOne(session, prompt),
        read: async (path) => (await readTensors(path, ["embedding"])).embedding,
        write: (path, embedding) => writeTensors(path, { embedding }),
      });
      allReused &&= reused;
      encoded.set(prompt, value);
    }
    if (allReused) phase.reuse();
    return encoded;
  });
}

async function encodeOne(session: Session, prompt: string): Promise<HostTensor> {
  const { signal } = session.environment;
  const [encoded] = await encodePrompts(session.model, [prompt], { signal });
  if (encoded === undefined) throw new Error("prompts: expected one encoding, got none");
  return encoded.embedding;
}

/** The encoding of a prompt that was asked for. */
export function encodingOf(prompts: EncodedPrompts, prompt: string): HostTensor {
  const encoding = prompts.get(prompt);
  if (encoding === undefined) throw new Error(`prompts: ${JSON.stringify(prompt)} was not encoded`);
  return encoding;
}
