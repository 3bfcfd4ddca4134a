#!/usr/bin/env bash
# Unpacks on the machine with the GPU what pack.sh made.      bench/gpu/unpack.sh FOLDER TARGET
set -euo pipefail
from=${1:?usage: bench/gpu/unpack.sh FOLDER TARGET}
to=${2:?usage: bench/gpu/unpack.sh FOLDER TARGET}
library="$to/node_modules/onnxruntime-node/bin/napi-v6/linux/x64"
mkdir -p "$library" "$to/lib"
tar -C "$to" -xJf "$from/tree.tar.xz"
xz -dc "$from/libonnxruntime.so.1.xz" > "$library/libonnxruntime.so.1"
cp "$from/onnxruntime_binding.node" "$library/"
xz -dc "$from/node.xz" > "$to/node"
chmod +x "$to/node"
cp "$from/libvulkan.so.1" "$to/lib/"
