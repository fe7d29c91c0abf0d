#include "launcher/mpi/services.h"

namespace muster::mpi {

ServiceEnded EndOfService(const std::string& name, pid_t pid,
                          process::ExitStatus status,
                          const std::string& stderr_tail) {
  ServiceEnded event;
  event.set_name(name);
  event.set_pid(pid);
  process::SetEnd(status, &event);
  event.set_stderr_tail(stderr_tail);
  return event;
}

}  // namespace muster::mpi
