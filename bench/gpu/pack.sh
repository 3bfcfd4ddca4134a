#!/usr/bin/env bash
# Packs what bench/gpu.ts needs into a folder for a machine with a GPU and no network: Node, ONNX Runtime, the
# Vulkan loader, our built code.      bench/gpu/pack.sh FOLDER [PEER_PYTHON PEER_CHECKOUT]
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
to=${1:?usage: bench/gpu/pack.sh FOLDER [PEER_PYTHON PEER_CHECKOUT]}
rm -rf "$to" && mkdir -p "$to/tree/node_modules/@retake"
cd "$here" && npx tsc -b
for package in packages/errors packages/model packages/compile packages/checkpoint services/gpu-node; do
  into="$to/tree/node_modules/@retake/$(basename $package)"
  mkdir -p "$into" && cp "$package/package.json" "$into/"
  (cd "$package" && find dist -name '*.js' | cpio -pdm --quiet "$into")
done
# Of the libraries only what is loaded: Node tells.
node --input-type=module -e '
  import Module from "node:module"; import { relative } from "node:path";
  for (const file of ["services/gpu-node/dist/runtime/onnx-runner.js", "packages/checkpoint/dist/index.js"])
    await import(new URL(file, `file://${process.cwd()}/`).href);
  for (const file of Object.keys(Module._cache)) if (file.includes("node_modules")) console.log(relative(process.cwd(), file));
' > "$to/loaded"
(cat "$to/loaded"; sed -E 's#(node_modules/(@[^/]+/)?[^/]+).*#\1/package.json#' "$to/loaded" | sort -u) |
  cpio -pdmu --quiet "$to/tree"
cp -r --parents node_modules/onnxruntime-common/dist node_modules/onnxruntime-common/package.json "$to/tree"
cp -r --parents node_modules/onnxruntime-node/dist node_modules/onnxruntime-node/package.json "$to/tree"
cp -r --parents node_modules/@huggingface/tokenizers "$to/tree"
mkdir -p "$to/tree/dist/bench" "$to/tree/dist/test/golden"
cp dist/bench/gpu.js "$to/tree/dist/bench/"
cp dist/test/golden/*.js "$to/tree/dist/test/golden/"
cp test/golden/data/sd-size.safetensors "$to/tree/"
echo '{"type":"module"}' > "$to/tree/package.json"
if [ $# -ge 3 ]; then
  site=$("$2" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
  mkdir -p "$to/tree/py"
  cp -r "$site"/{diffusers,huggingface_hub,requests,importlib_metadata,zipp,einops} "$3/tuneavideo" "$to/tree/py/"
  cp bench/gpu/peer.py "$to/tree/"
fi
find "$to/tree" \( -name '*.map' -o -name '*.d.ts' -o -name '__pycache__' \) -prune -exec rm -rf {} +
tar -C "$to/tree" -cf - . | xz -T2 -6 > "$to/tree.tar.xz" && rm -rf "$to/tree" "$to/loaded"
xz -T2 -6 -c node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1 > "$to/libonnxruntime.so.1.xz"
cp node_modules/onnxruntime-node/bin/napi-v6/linux/x64/onnxruntime_binding.node "$to/"
xz -T2 -6 -c "$(command -v node)" > "$to/node.xz"
cp -L "$(ldconfig -p | awk '/libvulkan.so.1 /{print $NF; exit}')" "$to/libvulkan.so.1"
du -sh "$to"
