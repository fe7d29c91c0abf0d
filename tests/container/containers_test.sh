#!/usr/bin/env bash
# containers_test.sh SCENARIO: a PyTorch job across two containers of the image
# localhost/muster:digits.
# shellcheck source=tests/container/containers.sh
source "$(dirname "${BASH_SOURCE[0]}")/containers.sh"

IMAGE=localhost/muster:digits
JOB_FLAGS=(--backend gloo)

# The arguments by which Azure ML starts a PyTorch script; muster expands them.
# shellcheck disable=SC2016
readonly AZURE_ARGS=(--dist-backend gloo
  --dist-url '$AZ_BATCHAI_PYTORCH_INIT_METHOD'
  --rank '$AZ_BATCHAI_TASK_INDEX' --world-size 4)

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
  await_lines 4 ready
  podman kill --signal TERM "$NAME-1" >/dev/null
  expect_exit_codes 143
}

main "$@"
