# For the scripts beside this one, which source it: one job across several
# containers, each with its own address, on a network of their own. main() runs
# a scenario; it exits with 77 and a reason where that is not possible, and
# always removes what it made.
# shellcheck shell=bash
# shellcheck disable=SC2034 # what the scenarios set and read
set -euo pipefail

# What a script says, and a scenario may change before it starts the job.
IMAGE=
NODES=2
WORKERS=2    # of each node
AS_USER=0    # in the containers
JOB_FLAGS=() # of muster run

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly WORKLOADS=$HERE/../workloads
readonly JOB_SECONDS=150
readonly NAME=muster-test-$$
readonly RUN=(podman --runtime runc run --pull=never
  --ulimit nofile=4096:4096 --ulimit nproc=4096:4096)
WORK=
SUBNET=

skip() { echo "SKIPPED: $*"; exit 77; }

fail() {
  echo "FAILED: $*"
  local name
  for name in $(names); do
    echo "--- output of $name"
    podman logs --tail 40 "$name" 2>&1 || true
  done
  exit 1
}

# Of the job's containers, by node rank.
names() { seq -f "$NAME-%.0f" 0 $((NODES - 1)); }

clean_up() {
  # shellcheck disable=SC2046
  podman rm --force --ignore --time 0 $(names) >/dev/null 2>&1
  podman network rm --force "$NAME" >/dev/null 2>&1
  [[ -z $WORK ]] || rm -rf "$WORK"
}

check_machine() {
  [[ $(id -u) == 0 ]] || skip "containers need root"
  local tool
  for tool in podman runc; do
    command -v "$tool" >/dev/null || skip "$tool is not installed"
  done
  unshare --mount --net true 2>/dev/null ||
    skip "this machine does not allow new mount and network namespaces"
  podman image exists "$IMAGE" || skip "no image $IMAGE; ./dev image makes it"
}

# A subnet may be taken by another test, so a few are tried.
make_network() {
  local try
  for try in 1 2 3 4 5; do
    SUBNET=10.$((96 + RANDOM % 64)).$((RANDOM % 256))
    podman network create --internal --disable-dns --subnet "$SUBNET.0/24" \
      "$NAME" >/dev/null 2>"$WORK/network.err" && return
  done
  cat "$WORK/network.err"
  fail "no network after $try attempts"
}

start_node() { # NODE COMMAND...
  local node=$1
  shift
  mkdir -p "$WORK/node$node" "$WORK/runs$node"
  chown "$AS_USER" "$WORK/node$node" "$WORK/runs$node"
  "${RUN[@]}" --detach --name "$NAME-$node" --user "$AS_USER" \
    --hostname "node$node" --network "$NAME" --ip "$SUBNET.$((10 + node))" \
    --env MUSTER_TOKEN \
    --volume "$WORKLOADS:/workloads:ro" --volume "$WORK/runs$node:/runs" \
    --volume "$WORK/node$node:/work" --workdir /work "$IMAGE" \
    --nnodes "$NODES" --nproc-per-node "$WORKERS" "${JOB_FLAGS[@]}" \
    --rdzv-id "$NAME" --rdzv-endpoint "$SUBNET.10:29400" --rdzv-timeout 60s \
    --stop-grace 5s --run-dir /runs -- "$@" >/dev/null ||
    fail "container $node did not start"
}

start_job() { # COMMAND...
  MUSTER_TOKEN=$("${RUN[@]}" --rm --network none --entrypoint muster \
    "$IMAGE" token) || fail "muster token"
  export MUSTER_TOKEN
  make_network
  local node
  for ((node = 0; node < NODES; node++)); do start_node "$node" "$@"; done
}

await_lines() { # COUNT LINE: that many ranks have written it
  local deadline=$((SECONDS + 60))
  until [[ $(ranks_output 2>/dev/null | grep -cx "$2") == "$1" ]]; do
    ((SECONDS < deadline)) || fail "$1 ranks did not write '$2' within 60 s"
    sleep 0.1
  done
}

expect_exit_codes() { # CODE: of all containers
  local codes code
  # shellcheck disable=SC2046
  codes=$(timeout "$JOB_SECONDS" podman wait $(names) | xargs) ||
    fail "the job did not end within $JOB_SECONDS s"
  for code in $codes; do
    [[ $code == "$1" ]] || fail "exit codes are $codes, not $1 each"
  done
}

# What the ranks wrote on stdout, from the one run of the collector.
ranks_output() { cat "$WORK"/runs0/*/logs/*.stdout; }

main() { # SCENARIO
  [[ $# == 1 && $1 == *Containers* && $(type -t "$1") == function ]] ||
    { echo "usage: $0 SCENARIO" >&2; exit 64; }
  check_machine
  WORK=$(mktemp -d)
  chmod 755 "$WORK"
  trap clean_up EXIT
  trap 'exit 130' INT TERM
  "$1"
  echo "PASSED"
}
