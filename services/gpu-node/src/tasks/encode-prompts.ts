import type { HostTensor } from "../runtime/engine.js";
import { hostTensor, outputValues } from "./host-tensors.js";
import type { Model } from "./open-model.js";
import { type TaskControl, throwIfStopped } from "./task-control.js";

/** A prompt as the U-Net takes it. */
export interface EncodedPrompt {
  /** `[1, promptTokens, channels]`, float32: the text encoder's last hidden state. */
  readonly embedding: HostTensor;
  /** Whether the end of the prompt was cut off, since the encoder reads so many tokens only. */
  readonly truncated: boolean;
}

/**
 * Encodes prompts, each by itself: how many there are never changes an embedding's bits.
 *
 * @throws RetakeError  `prompt-too-long`, `stopped`, and what the engine throws
 */
export async function encodePrompts(
  model: Model,
  prompts: readonly string[],
  control: TaskControl = {},
): Promise<readonly EncodedPrompt[]> {
  await model.programs.keepOnly("text");
  const config = model.files.textConfig;
  const encoded: EncodedPrompt[] = [];
  control.onProgress?.({ done: 0, total: prompts.length });
  for (const prompt of prompts) {
    throwIfStopped(control, "reading the prompts");
    const { ids, truncated } = model.files.tokenizer.tokenize(prompt);
    const inputs = { ids: { shape: [1, config.promptTokens], data: ids } };
    const outputs = await model.programs.run(
      { kind: "text", config, batch: 1 },
      { each: inputs },
      control,
    );
    const shape = [1, config.promptTokens, config.width];
    encoded.push({ embedding: hostTensor(shape, outputValues(outputs, "hidden")), truncated });
    control.onProgress?.({ done: encoded.length, total: prompts.length });
  }
  return encoded;
}
