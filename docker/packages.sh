#!/usr/bin/env bash
# The one list of Debian packages of this project: ./dev and the images both
# install from here.
#
#   packages.sh list GROUP...      print the packages of the groups
#   packages.sh install GROUP...   install those that are missing
set -euo pipefail

readonly GROUPS_KNOWN="build runtime test mpi workload venv lint image bench fuzz"

packages_of() {
  case "$1" in
    build) # compile muster; the -dev packages hold the static archives too
      echo g++ cmake ninja-build ccache pkg-config ca-certificates \
        libgrpc++-dev protobuf-compiler protobuf-compiler-grpc \
        libprotobuf-dev libabsl-dev libssl-dev libc-ares-dev libre2-dev \
        zlib1g-dev libspdlog-dev libfmt-dev nlohmann-json3-dev libcli11-dev \
        libasio-dev libxxhash-dev libgloo-dev ;;
    runtime) # what muster-gloo-probe needs beside glibc; muster needs nothing
      echo libgloo0 ;;
    test) # compile and run the tests; hosts are made of network namespaces
      echo libgtest-dev libgmock-dev python3-grpcio iproute2 iptables procps \
        strace util-linux libopenmpi-dev openmpi-bin ;;
    mpi) # what the MPI scripts in tests/workloads import, and mpirun
      echo python3 python3-mpi4py python3-numpy python3-sklearn openmpi-bin ;;
    workload) # what all training scripts in tests/workloads import
      packages_of mpi
      echo python3-torch ;;
    venv) # what tests/workloads/venv.sh builds the rest of them from
      echo python3-venv cmake g++ make libopenmpi-dev libtorch-dev \
        pybind11-dev ;;
    lint)
      echo git clang-format clang-tidy shellcheck python3 ;;
    image) # build the images and run them side by side
      echo buildah podman runc netavark aardvark-dns iptables debootstrap ;;
    bench)
      echo python3 python3-grpcio openmpi-bin hyperfine iproute2 iptables \
        procps rsync openssl ;;
    fuzz) # clang with libFuzzer
      echo clang libclang-rt-14-dev ;;
    *)
      echo "packages.sh: no group '$1'; there are: $GROUPS_KNOWN" >&2
      return 64 ;;
  esac
}

packages_of_all() {
  local group
  for group in "$@"; do packages_of "$group" | tr ' ' '\n'; done | sort -u
}

# The packages named on standard input that are not installed.
missing() {
  local wanted installed
  wanted=$(cat)
  # dpkg-query fails when it knows nothing of one of them; its list still holds
  # the others.
  # shellcheck disable=SC2016,SC2086
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted \
    2>/dev/null | sed -n 's/^installed //p' | sort -u) || true
  comm -23 <(sort -u <<<"$wanted") <(sort -u <<<"$installed")
}

install() {
  local wanted todo
  local as_root=()
  wanted=$(packages_of_all "$@")
  todo=$(missing <<<"$wanted")
  [[ -z $todo ]] && return 0
  if [[ $(id -u) != 0 ]]; then
    if ! command -v sudo >/dev/null; then
      echo "packages.sh: these packages are missing, and installing them" \
        "needs root or sudo: ${todo//$'\n'/ }" >&2
      return 1
    fi
    as_root=(sudo)
  fi
  echo "installing ${todo//$'\n'/ }"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y update >/dev/null
  # shellcheck disable=SC2086
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y install --no-install-recommends $todo >/dev/null
}

main() {
  local command=${1:-}
  [[ $# -ge 2 ]] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; return 64; }
  shift
  case "$command" in
    list) packages_of_all "$@" ;;
    install) install "$@" ;;
    *) echo "packages.sh: no command '$command'; use list or install" >&2
       return 64 ;;
  esac
}

main "$@"
