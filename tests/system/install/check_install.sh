#!/usr/bin/env bash
# Installs a build to a folder of its own, builds a program outside the project against it and runs that program.
# usage: check_install.sh BUILD_DIR EMBEDDER_DIR [cmake arguments for the embedder...]
set -euo pipefail

build=$1
embedder=$2
shift 2
scratch=$(mktemp -d "${TMPDIR:-/tmp}/cairn-install.XXXXXX")
trap 'rm -rf -- "$scratch"' EXIT

cmake --install "$build" --prefix "$scratch/prefix" >"$scratch/install.log" || { cat "$scratch/install.log"; exit 1; }

# Embedders see the public words only.
strays=$(find "$scratch/prefix/include" -type f ! -path '*/include/cairn/*.h')
[[ -z $strays ]] || { echo "installed beside the public headers:"; echo "$strays"; exit 1; }
for program in cairn cairnd; do
  [[ ! -x $build/tools/$program/$program || -x $scratch/prefix/bin/$program ]] ||
    { echo "$program is built but not installed"; exit 1; }
done

for file in lib/systemd/system/cairnd.service share/cairn/cairn.sample.toml; do
  [[ -s $scratch/prefix/$file ]] || { echo "$file is not installed"; exit 1; }
done

cmake -S "$embedder" -B "$scratch/build" -G Ninja -DCMAKE_PREFIX_PATH="$scratch/prefix" "$@"
cmake --build "$scratch/build"
"$scratch/build/embedder" "$scratch/state"
