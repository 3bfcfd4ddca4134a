#!/usr/bin/env bash
# WebGPU without a GPU: Mesa's software driver lavapipe, made acceptable to ONNX Runtime's WebGPU.
#
#   software-vulkan.sh                 prints what to set: eval "$(scripts/engines/software-vulkan.sh)"
#   software-vulkan.sh COMMAND [ARG]   runs a command with that set
#
# Slow, but right: for tests. Debian and Ubuntu: what is missing is installed, if this user may;
# elsewhere it says what to install. What is built lies in .cache/engines.
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
built="$(dirname "$(dirname "$here")")/.cache/engines"
packages=(libvulkan1 libvulkan-dev mesa-vulkan-drivers gcc libc6-dev)

say() { echo "software-vulkan: $*" >&2; }

# The path of lavapipe, as Mesa's own description of it says.
find_lavapipe() {
  local described library
  for described in /usr/share/vulkan/icd.d/lvp_icd*.json /etc/vulkan/icd.d/lvp_icd*.json; do
    [ -f "$described" ] || continue
    library="$(sed -n 's/.*"library_path": *"\([^"]*\)".*/\1/p' "$described")"
    case $library in
      /*) ;;
      *) library="$(ldconfig -p | awk -v name="$library" '$1 == name && !n++ { print $NF }')" ;;
    esac
    [ -f "$library" ] && echo "$library" && return
  done
}

is_complete() {
  [ -n "$(find_lavapipe)" ] && [[ "$(ldconfig -p)" == *"libvulkan.so.1 "* ]] &&
    command -v gcc >/dev/null && [ -f /usr/include/vulkan/vulkan.h ]
}

install_packages() {
  local as_root=()
  if [ "$(id -u)" != 0 ]; then as_root=(sudo -n); fi
  if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
    say "install the Vulkan loader and headers, Mesa's Vulkan drivers and gcc; Debian calls them" \
      "${packages[*]}"
    exit 1
  fi
  say "installing ${packages[*]}"
  "${as_root[@]}" apt-get update -q >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
    --no-install-recommends -o DPkg::Lock::Timeout=120 "${packages[@]}" >&2
}

build() {
  local library="$built/liblavapipe-shim.so"
  mkdir -p "$built"
  if [ ! "$library" -nt "$here/lavapipe-shim.c" ]; then
    gcc -std=c11 -O2 -Wall -Wextra -fPIC -shared -fvisibility=hidden -o "$library.$$" \
      "$here/lavapipe-shim.c" -ldl
    mv "$library.$$" "$library"
  fi
  printf '{"file_format_version": "1.0.0", "ICD": {"library_path": "%s", "api_version": "1.3.0"}}\n' \
    "$library" > "$built/lavapipe-shim.json"
}

is_complete || install_packages
is_complete || { say "lavapipe is still missing after the install"; exit 1; }
build

settings=(
  "VK_DRIVER_FILES=$built/lavapipe-shim.json"
  "VK_ICD_FILENAMES=$built/lavapipe-shim.json"
  "LAVAPIPE=$(find_lavapipe)"
  "XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/tmp}"
)
if [ $# -gt 0 ]; then exec env "${settings[@]}" "$@"; fi
printf 'export %q\n' "${settings[@]}"
