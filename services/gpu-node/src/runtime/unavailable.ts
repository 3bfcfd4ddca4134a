import type { EngineName } from "./engine.js";
import { ortVersion } from "./onnx-session.js";

interface Remedy {
  /** What the engine's libraries say, on stderr or as an error. */
  readonly said: RegExp;
  /** *expected X, got Y; what to do*; `$1` is what the expression caught. */
  readonly means: string;
}

/** The most specific first. */
const webgpuRemedies: readonly Remedy[] = [
  {
    said: /Couldn't load Vulkan: (.*)/,
    means:
      "expected the Vulkan loader libvulkan.so.1, got none ($1); install it (Debian: libvulkan1)",
  },
  {
    said: /Warning: (Vulkan .* required)/,
    means:
      'expected a Vulkan driver with what WebGPU needs, got one of which Dawn says "$1"; ' +
      "install a newer driver, or see scripts/engines/software-vulkan.sh for Mesa's lavapipe",
  },
  {
    said: /Found no drivers|ERROR_INCOMPATIBLE_DRIVER|No supported adapters/,
    means:
      "expected a Vulkan driver, got none; install the GPU's driver (in a container of NVIDIA's " +
      "also NVIDIA_DRIVER_CAPABILITIES=all); scripts/engines/software-vulkan.sh needs no GPU",
  },
];

const cudaRemedies: readonly Remedy[] = [
  {
    said: /Failed to load (?:shared )?library/,
    means:
      `expected ONNX Runtime's CUDA provider ${ortVersion} beside onnxruntime-node, got none ` +
      "that loads; install it with CUDA and cuDNN 9 as services/gpu-node/ENGINES.md says",
  },
  {
    said: /driver version is insufficient|CUDA failure (?:35|100)|no CUDA-capable device/,
    means: "expected an NVIDIA GPU and a driver as new as the CUDA libraries, got neither or one",
  },
];

const remedies: Readonly<Partial<Record<EngineName, readonly Remedy[]>>> = {
  "onnx-webgpu": webgpuRemedies,
  "onnx-cuda": cudaRemedies,
};

/**
 * Why an engine cannot run here.
 *
 * @param failure.said     what its libraries printed
 * @param failure.message  of the error that ended it
 * @returns                one sentence: *expected X, got Y; what to do*
 */
export function whyUnavailable(
  name: EngineName,
  failure: { readonly said: string; readonly message: string },
): string {
  const { said, message } = failure;
  for (const { said: pattern, means } of remedies[name] ?? []) {
    const caught = pattern.exec(said) ?? pattern.exec(message);
    if (caught !== null) return means.replace("$1", () => (caught[1] ?? "").trim());
  }
  const [first = ""] = message.trim().split("\n");
  const ours = `${name}: `;
  return first.startsWith(ours) ? first.slice(ours.length) : `expected it to start, got "${first}"`;
}
