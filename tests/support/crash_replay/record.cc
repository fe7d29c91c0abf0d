#include "tests/support/crash_replay/record.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/support/crash_replay/recorder.h"
#include "tests/support/crash_replay/tracee.h"

namespace muster::test {
namespace {

std::vector<std::string> EnvironmentWith(
    const std::map<std::string, std::string>& more) {
  std::map<std::string, std::string> all = more;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(*entry, absl::MaxSplits('=', 1));
    all.insert(parts);
  }
  // The leak check would trace the process in its turn.
  for (const char* name : {"ASAN_OPTIONS", "LSAN_OPTIONS"}) {
    std::string& options = all[name];
    absl::StrAppend(&options, options.empty() ? "" : ":", "detect_leaks=0");
  }
  std::vector<std::string> environment;
  for (const auto& [name, value] : all) {
    environment.push_back(absl::StrCat(name, "=", value));
  }
  return environment;
}

}  // namespace

absl::StatusOr<Trace> RecordCalls(const std::vector<std::string>& argv,
                                  const std::string& directory,
                                  const RecordOptions& options) {
  const int out = memfd_create("marks", MFD_CLOEXEC);
  const int err = memfd_create("errors", MFD_CLOEXEC);
  const absl::Cleanup close_both = [&] {
    close(out);
    close(err);
  };
  struct stat marks = {};
  if (out < 0 || err < 0 || fstat(out, &marks) != 0) {
    return absl::InternalError("memfd_create failed");
  }
  Recorder recorder(marks, options.kill_at);
  absl::Status status = recorder.TakeIn(directory);
  if (!status.ok()) return status;
  int wait_status = 0;
  status = TraceCalls({.argv = argv,
                       .environment = EnvironmentWith(options.env),
                       .out = out,
                       .err = err},
                      WatchedNumbers(), &recorder, &wait_status);
  if (!status.ok()) return absl::InternalError(status.message());
  if (!recorder.status().ok()) return recorder.status();
  Trace trace = recorder.TakeTrace();
  trace.wait_status = wait_status;
  struct stat errors = {};
  fstat(err, &errors);
  trace.errors.resize(static_cast<size_t>(errors.st_size));
  const ssize_t got = pread(err, trace.errors.data(), trace.errors.size(), 0);
  trace.errors.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return trace;
}

}  // namespace muster::test
