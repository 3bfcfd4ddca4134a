#!/usr/bin/env bash
# Builds TensorFlow's native binding for Node, @tensorflow/tfjs-node, from the npm registry and PyPI.
#
#   build-tfjs-node.sh [--cuda] [--dir DIR]
#
# The package's own install script fetches a library of 2022 that wants CUDA 11.2. This one takes
# TensorFlow 2.15 out of its Python wheel instead (a wheel is a zip; no Python runs later), and with
# --cuda the wheel for NVIDIA GPUs together with NVIDIA's own libraries, CUDA 12.2 and cuDNN 8.9.
# DIR is .cache/tfjs-node by default, where the engine `tfjs` finds it; set RETAKE_TFJS_NODE for
# another folder. What is there already is kept; delete DIR to begin anew.
#
# Needs: x86-64 Linux, npm, g++, make, python3 with pip; 1 GB of disk, or 7 GB with --cuda.
set -euo pipefail

tfjs_version=4.22.0
tensorflow_version=2.15.1
wheel_python=3.11
napi_max=8

dir="$(cd "$(dirname "$0")/../.." && pwd)/.cache/tfjs-node"
packages=("tensorflow-cpu==$tensorflow_version")

while [ $# -gt 0 ]; do
  case $1 in
    --cuda)
      packages=("tensorflow==$tensorflow_version"
        nvidia-cublas-cu12==12.2.5.6 nvidia-cuda-cupti-cu12==12.2.142
        nvidia-cuda-nvcc-cu12==12.2.140 nvidia-cuda-nvrtc-cu12==12.2.140
        nvidia-cuda-runtime-cu12==12.2.140 nvidia-cudnn-cu12==8.9.4.25
        nvidia-cufft-cu12==11.0.8.103 nvidia-curand-cu12==10.3.3.141
        nvidia-cusolver-cu12==11.5.2.141 nvidia-cusparse-cu12==12.1.2.141
        nvidia-nccl-cu12==2.16.5 nvidia-nvjitlink-cu12==12.2.140)
      ;;
    --dir)
      [ $# -ge 2 ] || { echo "--dir: expected a folder" >&2; exit 2; }
      mkdir -p "$2"
      dir="$(cd "$2" && pwd)"
      shift
      ;;
    *)
      echo "unknown option $1: expected --cuda or --dir DIR" >&2
      exit 2
      ;;
  esac
  shift
done

say() { echo "tfjs-node: $*" >&2; }

for tool in npm node g++ make python3; do
  command -v "$tool" >/dev/null || { say "$tool is missing; install it and come again"; exit 1; }
done
[ "$(uname -sm)" = "Linux x86_64" ] || { say "TensorFlow's wheels are for x86-64 Linux"; exit 1; }

# The package, without its install script, which would download from elsewhere.
install_package() {
  [ -f "$package/package.json" ] && return
  say "installing @tensorflow/tfjs-node $tfjs_version"
  [ -f "$dir/package.json" ] || echo '{"name":"retake-tfjs-node","private":true}' > "$dir/package.json"
  npm install --prefix "$dir" --ignore-scripts --no-audit --no-fund --loglevel=error \
    "@tensorflow/tfjs-node@$tfjs_version" >&2
}

# Libraries and C headers of the wheels, in the wheels' own layout: TensorFlow looks for NVIDIA's
# libraries beside itself, in ../nvidia/*/lib.
unpack_wheels() {
  local mark="$dir/unpacked"
  [ "$(cat "$mark" 2>/dev/null)" = "${packages[*]}" ] && return
  say "fetching ${packages[*]}"
  rm -rf "$libraries"
  mkdir -p "$dir/wheels" "$libraries"
  python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version "$wheel_python" \
    --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
    --platform manylinux1_x86_64 --dest "$dir/wheels" "${packages[@]}"
  python3 - "$libraries" "$dir"/wheels/*.whl <<'PY'
import sys, zipfile

wanted = ("tensorflow/libtensorflow", "nvidia/", "tensorflow/include/tensorflow/c/",
          "tensorflow/include/tensorflow/core/platform/", "tensorflow/include/tensorflow/tsl/",
          "tensorflow/include/tsl/", "tensorflow/include/xla/tsl/")
for wheel in sys.argv[2:]:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(sys.argv[1], [n for n in archive.namelist() if n.startswith(wanted)])
PY
  rm -rf "$dir/wheels" "$binding"
  echo "${packages[*]}" > "$mark"
}

# The binding wants libtensorflow; in the wheel that is libtensorflow_cc, which has the C API too.
link_libraries() {
  local tensorflow="$libraries/tensorflow"
  rm -rf "$package/deps"
  mkdir -p "$package/deps/lib"
  ln -s "$tensorflow/include" "$package/deps/include"
  ln -s "$tensorflow/libtensorflow_cc.so.2" "$package/deps/lib/libtensorflow.so"
  ln -s "$tensorflow/libtensorflow_framework.so.2" "$package/deps/lib/libtensorflow_framework.so"
}

# The node-gyp that npm brings, against the headers of the installed Node where it has them.
compile() {
  local gyp headers
  gyp="$(npm root --global --loglevel=error)/npm/node_modules/node-gyp/bin/node-gyp.js"
  [ -f "$gyp" ] || { say "npm has no node-gyp at $gyp"; exit 1; }
  headers="$(node -p 'require("node:path").resolve(process.execPath, "../..")')"
  [ -f "$headers/include/node/node_api.h" ] && set -- "--nodedir=$headers" || set --
  say "compiling the binding"
  (cd "$package" && rm -rf build &&
    CXXFLAGS="-std=c++17 -O2" LDFLAGS="-Wl,-rpath,$libraries/tensorflow" \
      node "$gyp" rebuild --silent "$@" --module_name=tfjs_binding \
      --module_path="$(dirname "$binding")" --napi_version="$napi" --napi_build_version="$napi" >&2)
}

mkdir -p "$dir"
package="$dir/node_modules/@tensorflow/tfjs-node"
libraries="$dir/libraries"
napi="$(node -p "Math.min($napi_max, Number(process.versions.napi))")"
binding="$package/lib/napi-v$napi/tfjs_binding.node"

install_package
unpack_wheels
if [ ! -f "$binding" ]; then
  link_libraries
  compile
fi
missing="$(ldd "$binding" | grep 'not found' || true)"
[ -z "$missing" ] || { say "the binding lacks libraries: $missing"; exit 1; }
# Said on stdout: the folder to name in RETAKE_TFJS_NODE.
echo "$dir"
