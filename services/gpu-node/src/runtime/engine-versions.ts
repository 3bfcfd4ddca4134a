import { createRequire } from "node:module";

/** The versions of what engines run on. */
export function engineVersions(): Readonly<Record<"onnxruntime" | "tfjs", string>> {
  const require = createRequire(import.meta.url);
  const versionOf = (name: string): string => {
    const { version }: { readonly version: string } = require(`${name}/package.json`);
    return version;
  };
  return { onnxruntime: versionOf("onnxruntime-node"), tfjs: versionOf("@tensorflow/tfjs") };
}
