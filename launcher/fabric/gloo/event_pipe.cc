#include "launcher/fabric/gloo/event_pipe.h"

#include <unistd.h>

#include <cerrno>
#include <string>

#include "launcher/fabric/probe_messages.h"

namespace muster::fabric {

void EventPipe::Send(const ProbeEvent& event) {
  const std::string bytes = EncodeProbeMessage(event);
  const std::lock_guard lock(mutex_);
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t written =
        write(fd_, bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) _exit(0);
    done += static_cast<size_t>(written);
  }
}

}  // namespace muster::fabric
