#!/usr/bin/env bash
# Creates the virtual environment and installs d2ext with everything it needs. A second run takes a second.
#
#   PYTHON=python3.12   interpreter to build with (default: python3), 3.10 or newer
#   VENV=.venv          folder of the environment
#   DETECTRON2=wheel    wheel: the PyPI build of Detectron2 (seconds); git: the official repository (needs a
#                       compiler and takes minutes)
#   VERSIONS=pinned     pinned: those of constraints.txt; lowest: the lower bounds of pyproject.toml
set -euo pipefail
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-python3}
VENV=${VENV:-.venv}
DETECTRON2=${DETECTRON2:-wheel}
VERSIONS=${VERSIONS:-pinned}
DETECTRON2_GIT="git+https://github.com/facebookresearch/detectron2@02b5c4e2"
DETECTRON2_WHEEL="sal-detectron2==0.7.2"
NEEDED_GB=8
STAMP="$VENV/.d2ext-setup"
LOG="$VENV/setup.log"

fail() {
    echo "setup: $*" >&2
    exit 1
}

# step "what it does" command...: runs the command into the log; one line with the seconds it took.
step() {
    local what=$1 start=$SECONDS
    shift
    printf 'setup: %-44s' "$what"
    if ! "$@" >>"$LOG" 2>&1; then
        echo "failed after $((SECONDS - start)) s; the end of $LOG:"
        tail -n 15 "$LOG"
        exit 1
    fi
    echo "$((SECONDS - start)) s"
}

fingerprint() {
    {
        "$PYTHON" -c 'import sys; print(sys.version)'
        echo "$DETECTRON2 $VERSIONS $PWD"
        cat pyproject.toml setup.py constraints.txt scripts/setup.sh
        ls projects/*/*/__init__.py 2>/dev/null || true
    } | "$PYTHON" -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'
}

install_dependencies() {
    if [ "$VERSIONS" = pinned ]; then
        "$BIN/pip" install -c constraints.txt -e '.[dev]'
    else
        "$BIN/uv" pip install --python "$BIN/python" --resolution lowest-direct -e '.[dev]'
    fi
}

install_detectron2() {
    "$BIN/pip" uninstall -y detectron2 sal-detectron2
    if [ "$DETECTRON2" = git ]; then
        "$BIN/pip" install --no-build-isolation --no-deps "$DETECTRON2_GIT"
        return
    fi
    # The wheel is tagged for CPython 3.10 but its Python code runs on every supported version.
    local site
    site=$("$BIN/python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")
    "$BIN/pip" install --no-deps --only-binary=:all: --python-version 3.10 --implementation cp --upgrade \
        --target "$site" "$DETECTRON2_WHEEL"
    rm -rf "$site/tools" # a stray top-level package of that wheel, which would shadow other code
}

case $DETECTRON2 in wheel | git) ;; *) fail "DETECTRON2 must be 'wheel' or 'git', got '$DETECTRON2'" ;; esac
case $VERSIONS in pinned | lowest) ;; *) fail "VERSIONS must be 'pinned' or 'lowest', got '$VERSIONS'" ;; esac
command -v "$PYTHON" >/dev/null || fail "no interpreter '$PYTHON'; set PYTHON to Python 3.10 or newer"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
    || fail "$("$PYTHON" --version 2>&1) is too old; set PYTHON to Python 3.10 or newer"

FINGERPRINT=$(fingerprint)
if [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$FINGERPRINT" ]; then
    echo "setup: $VENV is up to date"
    exit 0
fi

if [ ! -d "$VENV" ]; then
    free_gb=$(($(df -Pk . | awk 'NR == 2 {print $4}') / 1024 / 1024))
    [ "$free_gb" -ge "$NEEDED_GB" ] || fail "needs $NEEDED_GB GB of free disk here, found $free_gb GB"
fi

mkdir -p "$VENV"
: >"$LOG"
rm -f "$STAMP"
export PIP_DISABLE_PIP_VERSION_CHECK=1
BIN="$VENV/bin"
step "virtual environment ($("$PYTHON" --version))" "$PYTHON" -m venv "$VENV"
step "build tools" "$BIN/pip" install -c constraints.txt setuptools wheel
[ "$VERSIONS" = pinned ] || step "resolver of lower bounds" "$BIN/pip" install uv
step "dependencies (about 6 GB, minutes)" install_dependencies
step "Detectron2 ($DETECTRON2)" install_detectron2
for init in projects/*/*/__init__.py; do # mypy and editors find the projects' packages here
    ln -sfn "../../../${init%/*}" "typings/d2ext/projects/$(basename "${init%/*}")"
done
step "import check" "$BIN/python" -W ignore -c 'import detectron2.engine, d2ext'
echo "$FINGERPRINT" >"$STAMP"
echo "setup: done in $SECONDS s"
