#!/usr/bin/env bash
# containers_test.sh SCENARIO: one job across two containers of the image
# localhost/muster:digits, on a network of their own. Exits with 77 and a
# reason where that is not possible, and always removes what it made.
set -euo pipefail

readonly IMAGE=localhost/muster:digits
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly WORKLOADS=$HERE/../workloads
readonly JOB_SECONDS=150
readonly NAME=muster-test-$$
WORK=
SUBNET=

# The arguments by which Azure ML starts a PyTorch script; muster expands them.
# shellcheck disable=SC2016
readonly AZURE_ARGS=(--dist-backend gloo
  --dist-url '$AZ_BATCHAI_PYTORCH_INIT_METHOD'
  --rank '$AZ_BATCHAI_TASK_INDEX' --world-size 4)

skip() { echo "SKIPPED: $*"; exit 77; }

fail() {
  echo "FAILED: $*"
  local node
  for node in 0 1; do
    echo "--- output of container $node"
    podman logs --tail 40 "$NAME-$node" 2>&1 || true
  done
  exit 1
}

clean_up() {
  podman rm --force --ignore --time 0 "$NAME-0" "$NAME-1" >/dev/null 2>&1
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
  podman --runtime runc run --detach --pull=never --name "$NAME-$node" \
    --hostname "node$node" --network "$NAME" --ip "$SUBNET.$((10 + node))" \
    --ulimit nofile=4096:4096 --ulimit nproc=4096:4096 --env MUSTER_TOKEN \
    --volume "$WORKLOADS:/workloads:ro" --volume "$WORK/runs$node:/runs" \
    --volume "$WORK/node$node:/work" --workdir /work "$IMAGE" \
    --nnodes 2 --nproc-per-node 2 --backend gloo --rdzv-id "$NAME" \
    --rdzv-endpoint "$SUBNET.10:29400" --rdzv-timeout 60s --stop-grace 5s \
    --run-dir /runs -- "$@" >/dev/null || fail "container $node did not start"
}

start_job() { # COMMAND...
  MUSTER_TOKEN=$(podman --runtime runc run --rm --pull=never --network none \
    --ulimit nofile=4096:4096 --ulimit nproc=4096:4096 \
    --entrypoint muster "$IMAGE" token) || fail "muster token"
  export MUSTER_TOKEN
  make_network
  start_node 0 "$@"
  start_node 1 "$@"
}

expect_exit_codes() { # CODE: of both containers
  local codes
  codes=$(timeout "$JOB_SECONDS" podman wait "$NAME-0" "$NAME-1" | xargs) ||
    fail "the job did not end within $JOB_SECONDS s"
  [[ $codes == "$1 $1" ]] || fail "exit codes are $codes, not $1 $1"
}

# What the four ranks wrote on stdout, from the one run of the collector.
ranks_output() { cat "$WORK"/runs0/*/logs/[0-3].stdout; }

ContainersHaveMusterAsPid1AndNoSsh() {
  start_job sh -c 'cat /proc/1/comm; command -v ssh sshd || echo without ssh'
  expect_exit_codes 0
  local lines
  lines=$(ranks_output | sort | uniq -c | xargs) || true
  [[ $lines == "4 muster 4 without ssh" ]] || fail "the ranks wrote: $lines"
}

ContainersTrainTheDigitsTogether() {
  start_job python3 /workloads/digits.py "${AZURE_ARGS[@]}"
  expect_exit_codes 0
  local accuracy
  accuracy=$(cat "$WORK"/runs0/*/nodes/node0/outputs/accuracy.txt) ||
    fail "no accuracy.txt in the run directory"
  awk -v a="$accuracy" 'BEGIN {exit !(a >= 0.95)}' ||
    fail "test accuracy is $accuracy, less than 0.95"
  ranks_output | grep -qx "test accuracy: $accuracy" ||
    fail "rank 0's stdout does not hold the accuracy $accuracy"
  local rank
  for rank in 0 1 2 3; do
    grep -q "^rank $rank of 4" \
      "$WORK"/runs0/*/nodes/node$((rank / 2))/logs/rank$rank.log ||
      fail "rank $rank's own log is not in the run directory"
  done
}

ContainersEndWithTheFailingRanksCode() {
  start_job python3 /workloads/fail_rank.py "${AZURE_ARGS[@]}" \
    --fail-rank 3 --exit-code 37
  expect_exit_codes 37
}

ContainersStopWhenOneIsTerminated() {
  start_job sh -c 'echo ready; exec sleep 600'
  local deadline=$((SECONDS + 60))
  until [[ $(ranks_output 2>/dev/null | grep -c ready) == 4 ]]; do
    ((SECONDS < deadline)) || fail "the ranks did not start within 60 s"
    sleep 0.1
  done
  podman kill --signal TERM "$NAME-1" >/dev/null
  expect_exit_codes 143
}

[[ $# == 1 && $(type -t "$1") == function && $1 == Containers* ]] ||
  { echo "usage: containers_test.sh SCENARIO" >&2; exit 64; }
check_machine
WORK=$(mktemp -d)
trap clean_up EXIT
trap 'exit 130' INT TERM
"$1"
echo "PASSED"
