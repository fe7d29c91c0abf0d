// Makes a trace of calls.
#ifndef MUSTER_TESTS_SUPPORT_CRASH_REPLAY_RECORDER_H_
#define MUSTER_TESTS_SUPPORT_CRASH_REPLAY_RECORDER_H_

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tests/support/crash_replay/name_call.h"
#include "tests/support/crash_replay/object_table.h"
#include "tests/support/crash_replay/trace.h"
#include "tests/support/crash_replay/tracee.h"

namespace muster::test {

// Tracing thread only. The trace is complete when that thread has ended.
class Recorder : public CallObserver {
 public:
  // `marks`: the file that the program has as its standard output.
  // `kill_at`: see RecordOptions.
  Recorder(const struct stat& marks, size_t kill_at)
      : marks_(marks), kill_at_(kill_at) {}

  // The directory as it is before the program begins.
  absl::Status TakeIn(const std::string& directory) {
    return table_.TakeIn(directory, &trace_);
  }
  absl::Status status() const { return status_; }
  Trace TakeTrace() { return std::move(trace_); }

  Wish Judge(const SystemCall& call) override;
  void OnStart(const SystemCall& call) override;
  void OnReturn(const SystemCall& call, int64_t result) override;
  void OnAbandon(const SystemCall& call) override {
    before_.erase(call.thread);
  }

 private:
  // What had to be known before a call changed it.
  struct Before {
    std::optional<NameCall> names;
    std::optional<struct stat> place;
    std::optional<struct stat> target;
    size_t events = 0;
  };

  Wish JudgeNames(const NameCall& names);
  Wish JudgeContent(const SystemCall& call, int fd);
  void Mark(const SystemCall& call);
  void OnWritten(const SystemCall& call, int fd, uint64_t size);
  void OnSync(const SystemCall& call);
  void OnNames(const Before& before);
  void OnOpened(const NameCall& names, const Before& before);
  void OnRenamed(const NameCall& names, const Before& before);
  void AddObject(const PlaceOfName& place);
  void Refuse(const std::string& what) {
    if (status_.ok()) {
      status_ = absl::UnimplementedError(
          absl::StrCat("crash replay has no model of ", what));
    }
  }
  void Push(TraceEvent event) { trace_.events.push_back(std::move(event)); }
  void KillIfDue(const SystemCall& call, size_t events_before) const;

  const struct stat marks_;
  const size_t kill_at_;
  Trace trace_;
  ObjectTable table_;
  absl::Status status_;
  std::map<pid_t, Before> before_;
  std::string mark_;  // a line that is not over yet
};

// The numbers of all calls that a recorder wants to see.
std::vector<uint64_t> WatchedNumbers();

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_CRASH_REPLAY_RECORDER_H_
