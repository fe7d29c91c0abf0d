#include "launcher/process/service_keeper.h"

#include <unistd.h>

#include <utility>

namespace muster::process {

ProcessCallbacks WhileAlive(std::shared_ptr<const bool> alive,
                            ProcessCallbacks callbacks) {
  return {.on_spawned =
              [alive, next = std::move(callbacks.on_spawned)](
                  pid_t pid, ProcessPipes pipes) mutable {
                if (*alive) return next(pid, pipes);
                close(pipes.stdin_fd);
                close(pipes.stdout_fd);
                close(pipes.stderr_fd);
              },
          .on_spawn_failed =
              [alive, next = std::move(callbacks.on_spawn_failed)](
                  const SpawnFailure& failure) mutable {
                if (*alive) next(failure);
              },
          .on_exited =
              [alive, next = std::move(callbacks.on_exited)](
                  ExitStatus status) mutable {
                if (*alive) next(status);
              }};
}

}  // namespace muster::process
