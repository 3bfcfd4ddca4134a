import { describe, expect, it } from "vitest";
import { whyUnavailable } from "./unavailable.js";

const noAdapter = "Failed to get a WebGPU adapter: No supported adapters";

describe("whyUnavailable", () => {
  it.each([
    [
      "Warning: Couldn't load Vulkan: libvulkan.so.1: cannot open",
      /loader.*cannot open.*libvulkan1/,
    ],
    ["Warning: Vulkan robustness2 required.\n at X", /"Vulkan robustness2 required".*newer driver/],
    ["Warning: vkCreateInstance: Found no drivers!", /expected a Vulkan driver, got none/],
    ["", /expected a Vulkan driver, got none/],
  ])("explains WebGPU's %s", (said, reason) => {
    expect(whyUnavailable("onnx-webgpu", { said, message: noAdapter })).toMatch(reason);
  });

  it("says which files CUDA lacks, and where to read how to get them", () => {
    const message = "OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library";
    const reason = whyUnavailable("onnx-cuda", { said: "", message });
    expect(reason).toMatch(/CUDA provider \d+\.\d+\.\d+.*ENGINES\.md/);
  });

  it("tells a missing driver of NVIDIA's from missing files", () => {
    const message = "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version";
    expect(whyUnavailable("onnx-cuda", { said: "", message })).toMatch(/NVIDIA GPU and a driver/);
  });

  it("repeats what the engine itself says of its absence", () => {
    const message = "tfjs: expected a binding, got none";
    expect(whyUnavailable("tfjs", { said: "x", message })).toBe("expected a binding, got none");
  });

  it("quotes the first line of what it does not know", () => {
    const reason = whyUnavailable("onnx-cpu", { said: "", message: "odd\n  at a\n  at b" });
    expect(reason).toBe('expected it to start, got "odd"');
  });
});
