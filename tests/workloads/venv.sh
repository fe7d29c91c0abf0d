#!/usr/bin/env bash
# Makes the virtual environments of those training scripts whose framework
# Debian does not have. They are built with Debian's own Python.
#
#   venv.sh tensorflow DIR   DIR/tensorflow: TensorFlow, apart from all of
#                            Debian's modules, whose NumPy is too old for it
#   venv.sh horovod DIR      DIR/horovod: Horovod, compiled for Debian's PyTorch
#                            and Open MPI, and next to these
#
# The packages are those of requirements-NAME.txt, from PyPI. Use them as
# DIR/NAME/bin/python. A directory that is up to date is left as it is; one that
# cannot be completed is removed, and the exit code is 1.
set -euo pipefail

readonly PYTHON=/usr/bin/python3
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE

step() { printf '[%4ds] venv %s: %s\n' "$SECONDS" "$NAME" "$*"; }

die() {
  echo "venv.sh: $*" >&2
  exit 1
}

# Runs a command whose output is only of interest when it fails.
attempt() { # WHAT COMMAND...
  local what=$1
  shift
  step "$what"
  "$@" >"$LOG" 2>&1 && return
  tail -n 40 "$LOG" >&2
  if grep -q 'connection broken by' "$LOG"; then
    die "failed to $what: PyPI cannot be reached"
  fi
  die "failed to $what"
}

# The requirements are complete: pip need not look for more.
pip_install() {
  "$VENV/bin/python" -m pip --disable-pip-version-check --no-input \
    --retries 2 install --no-deps "$@"
}

# The versions of Debian's packages that Horovod is compiled with.
packages_for_horovod() {
  local packages
  packages=$("$HERE/../../docker/packages.sh" list venv) || return
  # shellcheck disable=SC2086
  dpkg-query --show $packages python3-torch
}

# What the environment is made from: when this changes, it is made anew.
digest() {
  {
    cat "$HERE/venv.sh" "$REQUIREMENTS"
    "$PYTHON" -VV
    [[ $NAME != horovod ]] || packages_for_horovod
  } | sha256sum
}

make_tensorflow() {
  attempt "make $VENV" "$PYTHON" -m venv "$VENV"
  attempt "install TensorFlow from PyPI (250 MB)" \
    pip_install --only-binary :all: --requirement "$REQUIREMENTS"
  attempt "import it" "$VENV/bin/python" -c 'import sklearn, tensorflow'
}

make_horovod() {
  attempt "make $VENV" "$PYTHON" -m venv --system-site-packages "$VENV"
  # What builds Horovod has to be there before Horovod.
  grep -v '^horovod' "$REQUIREMENTS" >"$VENV/first.txt"
  attempt "install what Horovod needs from PyPI" \
    pip_install --only-binary :all: --requirement "$VENV/first.txt"
  export HOROVOD_WITH_PYTORCH=1 HOROVOD_WITHOUT_TENSORFLOW=1
  export HOROVOD_WITH_MPI=1 HOROVOD_WITHOUT_GLOO=1 HOROVOD_WITHOUT_MXNET=1
  export MAKEFLAGS=-j2
  renice -n 10 $$ >/dev/null
  attempt "compile Horovod (2 to 4 minutes)" \
    pip_install --no-binary horovod --no-build-isolation \
    --requirement "$REQUIREMENTS"
  attempt "import it" "$VENV/bin/python" -c '
import horovod.torch
assert horovod.torch.mpi_built()'
}

main() {
  NAME=${1:-}
  if [[ $# != 2 || ($NAME != tensorflow && $NAME != horovod) ]]; then
    sed -n '2,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    return 64
  fi
  mkdir -p "$2"
  VENV=$(cd "$2" && pwd)/$NAME
  REQUIREMENTS=$HERE/requirements-$NAME.txt
  exec {lock}>"$VENV.lock"
  flock "$lock" # when two are asked for it at once, the second finds it made

  local wanted
  wanted=$(digest) || die "Debian packages that $NAME needs are missing"
  [[ $(cat "$VENV/made-from" 2>/dev/null) != "$wanted" ]] || return 0

  LOG=$(mktemp)
  trap 'rm -rf "$LOG" "$VENV"' EXIT
  rm -rf "$VENV"
  "make_$NAME"
  echo "$wanted" >"$VENV/made-from" # last: without it, nothing counts as made
  trap 'rm -f "$LOG"' EXIT
  step "made $VENV/bin/python"
}

main "$@"
