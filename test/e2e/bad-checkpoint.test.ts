import { access, cp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openSafetensors, readFloat32, writeSafetensors } from "@retake/checkpoint";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createWorkplace, demoClip, demoModel, retake, type Workplace } from "./retake-process.js";

const weights = "vae/diffusion_pytorch_model.safetensors";
const victim = "decoder.conv_in.bias";

interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Writes the weights of a copy again, after a change. */
async function rewrite(model: string, change: (tensors: Map<string, Tensor>) => void) {
  const path = join(model, weights);
  const tensors = new Map<string, Tensor>();
  for (const [name, entry] of (await openSafetensors(path)).entries) {
    tensors.set(name, { shape: entry.shape, data: await readFloat32(entry) });
  }
  change(tensors);
  await writeSafetensors(path, tensors);
}

const found = (tensors: ReadonlyMap<string, Tensor>): Tensor => {
  const tensor = tensors.get(victim);
  if (tensor === undefined) throw new Error(`the demo model has no ${victim}`);
  return tensor;
};

interface Case {
  readonly name: string;
  readonly reason: string;
  /** Of the process; default 2. */
  readonly code?: number;
  readonly says: RegExp;
  readonly change: (model: string) => Promise<void>;
}

const cases: readonly Case[] = [
  {
    ...{
      name: "a missing tensor",
      reason: "tensor-missing",
      says: /missing: decoder.conv_in.bias/,
    },
    change: (model) => rewrite(model, (tensors) => tensors.delete(victim)),
  },
  {
    ...{ name: "a surplus tensor", reason: "tensor-surplus", says: /not known: decoder.extra/ },
    change: (model) => rewrite(model, (tensors) => tensors.set("decoder.extra", found(tensors))),
  },
  {
    ...{ name: "a tensor of another shape", reason: "tensor-shape", says: /expected \[64\], got/ },
    change: (model) =>
      rewrite(model, (tensors) => tensors.set(victim, { ...found(tensors), shape: [8, 8] })),
  },
  {
    ...{ name: "a tensor of NaN", reason: "tensor-not-finite", says: /decoder.conv_in.bias/ },
    change: (model) => rewrite(model, (tensors) => found(tensors).data.fill(Number.NaN)),
  },
  {
    ...{ name: "a cut file", reason: "file-truncated", says: /fetch it again|expected/ },
    change: (model) => truncate(join(model, weights), 1_000_000),
  },
  {
    ...{ name: "a header of 10 GB", reason: "header-too-large", says: /header of at most/ },
    change: async (model) => {
      const bytes = await readFile(join(model, weights));
      bytes.writeBigUInt64LE(10_000_000_000n);
      await writeFile(join(model, weights), bytes);
    },
  },
  {
    ...{ name: "a malicious pickle", reason: "pickle-forbidden", says: /os.system/ },
    change: async (model) => {
      const call = "cos\nsystem\n(S'touch owned-by-a-pickle'\ntR.";
      const pickle = Buffer.concat([Buffer.from([0x80, 2]), Buffer.from(call)]);
      await rm(join(model, weights));
      await writeFile(join(model, "vae/diffusion_pytorch_model.bin"), pickle);
    },
  },
  {
    ...{ name: "unknown block types", reason: "config-unsupported", says: /down_block_types/ },
    change: async (model) => {
      const path = join(model, "unet/config.json");
      const config = await readFile(path, "utf8");
      await writeFile(path, config.replace("CrossAttnDownBlock2D", "QuantumDownBlock2D"));
    },
  },
  {
    ...{ name: "a card with an unknown setting", reason: "file-malformed", says: /"stepz"/ },
    change: (model) => writeFile(join(model, "retake.json"), '{"defaults":{"stepz":3}}'),
  },
  {
    ...{ name: "no VAE", reason: "checkpoint-incomplete", code: 3, says: /vae/ },
    change: (model) => rm(join(model, "vae"), { recursive: true }),
  },
];

describe("retake edit refuses a checkpoint with", () => {
  let workplace: Workplace;

  beforeAll(async () => {
    workplace = await createWorkplace();
  });
  afterAll(() => workplace.remove());

  it.each(cases)("$name", async ({ reason, says, change, code = 2 }) => {
    const model = join(workplace.path, reason);
    await cp(demoModel, model, { recursive: true });
    await change(model);
    const out = join(workplace.path, "result");
    const end = await retake(workplace, [
      ...["edit", demoClip, "--model", model, "--source", "a car", "--prompt", "a horse"],
      ...["--json", "--out", out],
    ]);
    const last: unknown = JSON.parse(end.err.trim().split("\n").at(-1) ?? "");
    expect(last).toMatchObject({ event: "error", reason, message: expect.stringMatching(says) });
    expect([end.code, end.signal, end.out]).toEqual([code, null, ""]);
    await expect(access(out)).rejects.toThrow("ENOENT");
    await expect(access(join(workplace.path, "owned-by-a-pickle"))).rejects.toThrow("ENOENT");
    await rm(model, { recursive: true });
  });
});
