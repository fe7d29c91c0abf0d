// The end of what a worker said on standard error, for the verdict.
#ifndef MUSTER_LAUNCHER_STREAMS_TAIL_H_
#define MUSTER_LAUNCHER_STREAMS_TAIL_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace muster::streams {

// Job: keep the last 8 KiB of a stream.
// Life cycle: Append any number of times, look at any time.
// Threads: one. Plain memory, at most 16 KiB.
class StderrTail {
 public:
  static constexpr size_t kKept = 8 * 1024;

  void Append(absl::string_view bytes);

  // The last bytes, at most kKept.
  absl::string_view bytes() const;

  // The last lines, at most `count`, without their "\n" or "\r\n". The first
  // one lacks its beginning when the stream is longer than what is kept.
  std::vector<std::string> LastLines(size_t count) const;

 private:
  std::string kept_;
};

}  // namespace muster::streams

#endif  // MUSTER_LAUNCHER_STREAMS_TAIL_H_
