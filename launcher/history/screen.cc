#include "launcher/history/screen.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace muster::history {
namespace {

absl::Status NobodyReads() { return absl::CancelledError("nobody reads"); }

}  // namespace

absl::Status Screen::Write(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd_, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {
      pollfd ready = {fd_, POLLOUT, 0};
      poll(&ready, 1, -1);
    } else if (errno == EPIPE) {
      return NobodyReads();
    } else if (errno != EINTR) {
      return absl::InternalError(
          absl::StrCat("the output can't be written: ", std::strerror(errno)));
    }
  }
  return absl::OkStatus();
}

absl::Status Screen::WaitFor(int other, absl::Time until) {
  // Rounded up, so that the time has come then.
  const absl::Duration left = absl::Ceil(
      std::clamp(until - absl::Now(), absl::ZeroDuration(), absl::Hours(1)),
      absl::Milliseconds(1));
  // Without events a pipe still tells that its reader is gone.
  pollfd polled[] = {{other, POLLIN, 0}, {fd_, 0, 0}};
  poll(polled, 2, static_cast<int>(absl::ToInt64Milliseconds(left)));
  if ((polled[1].revents & (POLLERR | POLLHUP)) != 0) return NobodyReads();
  return absl::OkStatus();
}

}  // namespace muster::history
