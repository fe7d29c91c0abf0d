// Real probes, `muster fabric-probe`, whose agents and store a test plays.
#ifndef MUSTER_TESTS_SUPPORT_FABRIC_PROBES_FABRIC_PROBES_H_
#define MUSTER_TESTS_SUPPORT_FABRIC_PROBES_FABRIC_PROBES_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "proto/fabric.pb.h"
#include "tests/support/files.h"
#include "tests/support/subprocess.h"

namespace muster::test {

// How a probe is started.
struct ProbeSpec {
  std::string host = "a";
  uint32_t gpu = 0;
  std::vector<std::string> arguments;  // after "fabric-probe"
  // For what it says and does: reaching it is a finding.
  absl::Duration patience = 2 * kSoon;
  std::map<std::string, std::string> env;
};

// The coordinator's store: values are there for all who ask, also those who
// asked before.
// Threads: any.
class FabricStore {
 public:
  using Answer = std::function<void(const StoreValue&)>;

  // Answers a get at once, or when its value comes.
  void Take(const StoreRequest& request, Answer answer)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Key = std::pair<uint32_t, std::string>;

  absl::Mutex mutex_;
  std::map<Key, std::string> values_ ABSL_GUARDED_BY(mutex_);
  std::multimap<Key, std::pair<StoreValue, Answer>> waiting_
      ABSL_GUARDED_BY(mutex_);
};

// Job: one probe process and all that it says.
// Life cycle: starts in the constructor; the destructor kills it. Threads: any;
// one of its own reads. The store must outlive it.
class FabricProbe {
 public:
  FabricProbe(const ProbeSpec& spec, FabricStore& store);
  ~FabricProbe();
  FabricProbe(const FabricProbe&) = delete;
  FabricProbe& operator=(const FabricProbe&) = delete;

  const std::string& host() const { return host_; }
  uint32_t gpu() const { return gpu_; }
  pid_t pid() const { return pid_; }

  void Send(const ProbeCommand& command);
  void SendBytes(const std::string& bytes);
  void Stop(uint32_t group);
  void CloseInput();
  void Signal(int signal) const;

  // These wait; false or nothing where it has ended, or did not come soon.
  std::optional<std::string> WaitForReady();
  std::optional<FabricFailure> WaitForBroken();
  // The `count`th time that it enters that stage of the group.
  bool WaitForStage(uint32_t group, FabricStage stage, int count = 1);
  std::optional<SlotResult> WaitForResult(uint32_t group);
  ExitStatus Wait();

  // Standard error, and all else it is known of, for failure messages.
  std::string Text();
  std::string Log() const { return ReadFile(log_); }

 private:
  void Start(const ProbeSpec& spec);
  void ReadEvents();
  void Take(const ProbeEvent& event) ABSL_LOCKS_EXCLUDED(mutex_);
  bool Await(const std::function<bool()>& predicate)
      ABSL_LOCKS_EXCLUDED(mutex_);

  FabricStore& store_;
  const TempDir directory_;
  const std::string host_;
  const uint32_t gpu_;
  const absl::Duration patience_;
  const std::string log_;
  const std::string stderr_;
  pid_t pid_ = 0;
  int out_ = -1;
  std::thread reader_;

  absl::Mutex write_mutex_;
  int in_ ABSL_GUARDED_BY(write_mutex_) = -1;

  absl::Mutex mutex_;
  std::vector<ProbeEvent> events_ ABSL_GUARDED_BY(mutex_);
  bool garbled_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  ExitStatus status_ ABSL_GUARDED_BY(mutex_);
};

// Job: the probes of one test and their store.
// Life cycle: all are killed with this, before any is forgotten. Threads: one.
class ProbeFleet {
 public:
  ProbeFleet() = default;
  ~ProbeFleet();
  ProbeFleet(const ProbeFleet&) = delete;
  ProbeFleet& operator=(const ProbeFleet&) = delete;

  FabricProbe* Add(const ProbeSpec& spec);
  // What all of them have said, for failure messages.
  std::string Text();

 private:
  FabricStore store_;
  std::vector<std::unique_ptr<FabricProbe>> probes_;
};

// What a group of a test does, but for its members. Deadlines are so long that
// reaching them is a finding.
struct GroupSpec {
  uint64_t bytes = 64 * 1024;
  bool ring = false;
  uint32_t connect_ms = 20'000;
  uint32_t run_ms = 20'000;
  uint32_t measure_ms = 10;
};

// A group of these, by rank, with an id of its own.
FabricGroup MakeGroup(const std::vector<FabricProbe*>& members,
                      const GroupSpec& spec = {});

// Gives the task to one of them.
void Begin(FabricProbe& probe, const FabricGroup& group, uint32_t rank);

// Gives it to all and waits for their results, by rank. One without result is
// nothing but FABRIC_FAILURE_CRASHED where the probe has ended.
std::vector<SlotResult> RunGroup(const std::vector<FabricProbe*>& members,
                                 const GroupSpec& spec = {});

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_FABRIC_PROBES_FABRIC_PROBES_H_
