#!/usr/bin/env bash
# Collects what a machine with PyTorch but without a network lacks for scripts/gpu_check.py, in one folder that
# goes on PYTHONPATH there: the Python packages that d2ext imports, for CPython 3.12 on Linux x86-64, and the
# Triton files of mamba-ssm. Run it where a package index can be reached.
#
#   scripts/gpu_wheels.sh DIR      DIR is made anew
#
#   PYTHON=.venv/bin/python   an interpreter with d2ext's packages, for the import check at the end
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/.." && pwd)
PYTHON=${PYTHON:-$ROOT/.venv/bin/python}
LIMIT_MIB=64 # of the tree and these packages together: what a lent machine may take
# Wheels, with the versions that the tests run with.
WHEELS=(yacs omegaconf hydra-core termcolor tabulate cloudpickle portalocker einops pycocotools simplejpeg
    diffusers importlib_metadata zipp requests urllib3 idna certifi charset-normalizer)
# Published as sources only, pure Python.
SOURCES=(fvcore iopath antlr4-python3-runtime)
# detectron2.model_zoo imports pkg_resources, which newer ones no longer have.
SETUPTOOLS="setuptools<81"
DETECTRON2="sal-detectron2==0.7.2"
MAMBA="mamba-ssm==2.3.2.post1"

fail() {
    echo "gpu_wheels: $*" >&2
    exit 1
}

[ $# -eq 1 ] && [ "${1#-}" = "$1" ] || fail "expected one folder, got $#: scripts/gpu_wheels.sh DIR"
[ -x "$PYTHON" ] || fail "no interpreter $PYTHON; run make setup, or set PYTHON"
DIR=$1
[ ! -e "$DIR" ] || [ -f "$DIR/.gpu_wheels" ] || [ -z "$(ls -A "$DIR")" ] \
    || fail "$DIR: expected a new folder or one of this script"
rm -rf "$DIR"
mkdir -p "$DIR"
touch "$DIR/.gpu_wheels"
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1

# pinned NAME: the requirement with the version of constraints.txt, where it stands there.
pinned() {
    grep -i -m 1 -E "^$(echo "$1" | sed 's/[-_]/[-_]/g')==" "$ROOT/constraints.txt" || echo "$1"
}

download() {
    "$PYTHON" -m pip download -qq --no-deps --only-binary=:all: --implementation cp --python-version "$1" \
        --platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64 --platform any --dest "$WORK" "$2"
}

for name in "${WHEELS[@]}"; do download 3.12 "$(pinned "$name")"; done
download 3.12 "$SETUPTOOLS"
# Tagged for CPython 3.10; its Python code runs on every later one.
"$PYTHON" -m pip download -qq --no-deps --only-binary=:all: --implementation cp --python-version 3.10 --dest "$WORK" \
    "$DETECTRON2"
for name in "${SOURCES[@]}"; do
    "$PYTHON" -m pip wheel -qq --no-deps --wheel-dir "$WORK" "$(pinned "$name")"
done
# Only its files are wanted, and its build wants a CUDA compiler: the archive is unpacked, nothing is built.
MAMBA_CUDA_BUILD=FALSE MAMBA_SKIP_CUDA_BUILD=TRUE "$PYTHON" -m pip download -qq --no-deps --no-build-isolation \
    --no-binary=:all: --dest "$WORK" "$MAMBA"

for wheel in "$WORK"/*.whl; do "$PYTHON" -m zipfile -e "$wheel" "$DIR"; done
tar -xzf "$WORK"/mamba_ssm-*.tar.gz -C "$WORK"
# mamba_ssm's own __init__ imports its compiled extension; an empty one lets the Triton files be imported alone.
mkdir -p "$DIR/mamba_ssm/ops/triton" "$DIR/mamba_ssm/utils"
touch "$DIR/mamba_ssm/__init__.py" "$DIR/mamba_ssm/ops/__init__.py"
cp "$WORK"/mamba_ssm-*/mamba_ssm/ops/triton/*.py "$DIR/mamba_ssm/ops/triton"
cp "$WORK"/mamba_ssm-*/mamba_ssm/utils/{__init__,torch,determinism}.py "$DIR/mamba_ssm/utils"
cp "$WORK"/mamba_ssm-*/LICENSE "$DIR/mamba_ssm"

# What nothing here imports, or (detectron2._C) no other Python than 3.10 can. `tools` is a stray package of the Detectron2 wheel that would shadow other code.
rm -rf "$DIR/tools" "$DIR"/detectron2/_C.*.so "$DIR"/detectron2/model_zoo/configs "$DIR"/distutils-precedence.pth "$DIR"/bin "$DIR"/*.data
rm -rf "$DIR"/diffusers/{pipelines,models,loaders,modular_pipelines,experimental,commands}/*/ "$DIR"/*/tests
rm -rf "$DIR"/setuptools/tests "$DIR"/_distutils_hack "$DIR"/setuptools/*.exe
find "$DIR" -name '*.dist-info' -prune -exec sh -c 'find "$1" -name RECORD -delete' _ {} \;

"$PYTHON" "$ROOT/scripts/gpu/imports.py" "$DIR"
mib() { echo $((($1 + 1048575) / 1048576)); }
packages=$(find "$DIR" -type f -printf '%s\n' | awk '{s += $1} END {print s}')
tree=$(git -C "$ROOT" ls-files -z --cached --others --exclude-standard | (cd "$ROOT" && xargs -0 stat -c %s) | awk '{s += $1} END {print s}')
echo "gpu_wheels: $DIR holds $(ls -d "$DIR"/*.dist-info | wc -l) packages and mamba-ssm's Triton files, $(mib "$packages") MiB;" \
    "with the tree ($(mib "$tree") MiB) $(mib $((packages + tree))) MiB of $LIMIT_MIB"
[ $((packages + tree)) -le $((LIMIT_MIB * 1048576)) ] || fail "more than $LIMIT_MIB MiB"
