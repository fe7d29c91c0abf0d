#!/usr/bin/env bash
# mpi_containers_test.sh SCENARIO: Open MPI across containers of the image
# localhost/muster:mpi, which have no ssh, with a container's usual rights and
# its usual /dev/shm.
# shellcheck source=tests/container/containers.sh
source "$(dirname "${BASH_SOURCE[0]}")/containers.sh"

IMAGE=localhost/muster:mpi
JOB_FLAGS=(--framework mpi)

# Trains, where there is no remote shell to be found.
# shellcheck disable=SC2016
readonly TRAIN='! command -v ssh sshd rsh >&2 || exit 99
  echo "uid $(id -u) below $(cat /proc/1/comm)"
  exec python3 /workloads/allreduce_mpi4py.py --steps 50'

# Every rank's log of its own: who it was, where it ran, what it trained.
expect_trained() {
  local rank world=$((NODES * WORKERS)) log
  for ((rank = 0; rank < world; rank++)); do
    log=$(cat "$WORK"/runs0/*/logs/$rank.stdout) ||
      fail "rank $rank's log is not in the run directory"
    [[ $log == "uid $AS_USER below muster
rank $rank of $world on node$((rank / WORKERS)): test accuracy 0.9"* ]] ||
      fail "rank $rank wrote: $log"
  done
  [[ -s $(echo "$WORK"/runs0/*/nodes/node0/outputs/weights.npz) ]] ||
    fail "rank 0's weights are not in the run directory"
}

MpiContainersTrainWithoutSsh() {
  NODES=3
  start_job sh -c "$TRAIN"
  expect_exit_codes 0
  expect_trained
}

MpiContainersTrainAsAnOrdinaryUser() {
  AS_USER=1000 # whom /etc/passwd does not know
  start_job sh -c "$TRAIN"
  expect_exit_codes 0
  expect_trained
}

# Nothing but shared memory joins the ranks: it works, or nothing does. It is in
# the directory that the agent has made, and gone afterwards.
share_memory() { # SIZE OF /dev/shm, WHERE THE SEGMENTS HAVE TO BE
  NODES=1 WORKERS=4
  JOB_FLAGS+=(--collector none --mpi-arg '--mca pml ob1 --mca btl self,vader')
  local user output
  for user in 0 1000; do
    # shellcheck disable=SC2016
    output=$("${RUN[@]}" --rm --name "$NAME-0" --network none --user "$user" \
      --shm-size "$1" \
      --volume "$WORKLOADS:/workloads:ro" --workdir /tmp --entrypoint sh \
      "$IMAGE" -c 'exec 2>&1 # one stream, which keeps the order
        muster run "$@"; echo "ended with $?"
        find /dev/shm /tmp -name "muster-*"' sh \
      --nproc-per-node "$WORKERS" "${JOB_FLAGS[@]}" -- python3 -c '
import glob, os
from mpi4py import MPI
MPI.COMM_WORLD.Barrier()
where = os.environ["OMPI_MCA_btl_vader_backing_directory"]
print(MPI.COMM_WORLD.allreduce(1), "ranks,",
      len(glob.glob(where + "/vader_segment.*")), "segments in",
      os.path.dirname(where))
MPI.COMM_WORLD.Barrier()') || true
    [[ $(grep -c "4 ranks, 4 segments in $2\$" <<<"$output") == 4 &&
      ${output##*$'\n'} == "ended with 0" ]] ||
      fail "user $user: $output"
  done
}

MpiContainersShareMemoryWithinANode() { share_memory 64m /dev/shm; }

# Who maps more than there is dies of SIGBUS.
MpiContainersShareFilesWhereMemoryIsShort() { share_memory 8m /tmp; }

MpiContainersEndWhenMpirunIsKilled() {
  NODES=3
  start_job sh -c 'echo ready; exec sleep 600'
  await_lines 6 ready
  # How this ends says nothing: the container may be gone first.
  # shellcheck disable=SC2016
  podman exec "$NAME-0" sh -c 'for process in /proc/[0-9]*; do
    read -r name <$process/comm
    [ "$name" != mpirun ] || kill -KILL ${process#/proc/}
  done' >/dev/null 2>&1 || true
  expect_exit_codes 137
  local name said
  for name in $(names); do
    said=$(podman logs "$name" 2>&1)
    [[ $said == *"mpirun (pid "*") on node 0 (node0) died of signal 9"* ]] ||
      fail "$name does not name mpirun"
  done
  grep -q '"service": "mpirun"' "$WORK"/runs0/*/report.json ||
    fail "the report does not name mpirun"
}

main "$@"
