// Real probes, and what agents and coordinator are to them.
#ifndef MUSTER_TESTS_LAUNCHER_FABRIC_GLOO_PROBES_H_
#define MUSTER_TESTS_LAUNCHER_FABRIC_GLOO_PROBES_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "launcher/fabric/probe_messages.h"
#include "proto/fabric.pb.h"
#include "tests/support/subprocess.h"

namespace muster::fabric {

struct ProbeOptions {
  std::string address = "127.0.0.1";
  // In its place, by the probe's index.
  std::function<std::string(int)> address_of;
  // Of each probe, on top of PATH and LD_LIBRARY_PATH; by its index.
  std::function<std::map<std::string, std::string>(int)> environment;
};

// Job: `count` probes that were started; passes on what they say to each other
// through the store and keeps what they answer.
// Life cycle: the destructor kills them.
// Threads: one. Probes run on; what they say is heard in RunUntil.
class Probes {
 public:
  explicit Probes(int count, ProbeOptions options = {});
  ~Probes();
  Probes(const Probes&) = delete;
  Probes& operator=(const Probes&) = delete;

  // A group of these probes (all of them, where none is named), with limits
  // that only a failing test reaches.
  FabricGroup Group(uint32_t id, std::vector<int> members = {}) const;

  // Gives the task to all members, or to `ranks` of them.
  void Start(const FabricGroup& group);
  void Start(const FabricGroup& group, const std::vector<int>& ranks);
  void Stop(const FabricGroup& group, int rank);

  // Hears what the probes say until `condition` holds; false where it does not
  // in 20 s.
  bool RunUntil(const std::function<bool()>& condition);
  // Its answer; an empty one where there is none in 20 s.
  SlotResult Result(const FabricGroup& group, int rank);
  // Whether all members came so far in 20 s.
  bool Reach(const FabricGroup& group, FabricStage stage);
  bool HasResult(const FabricGroup& group, int rank) const;

  // While true, nobody is told what others published.
  void Withhold(bool on);
  // How many members have published.
  size_t Published(const FabricGroup& group) const;

  void Signal(int probe, int signal);
  void Kill(int probe);
  void Write(int probe, const std::string& bytes);
  void CloseInput(int probe);
  // kRunning where it does not end in 20 s.
  test::ExitStatus End(int probe);

  const std::optional<ProbeReady>& ready(int probe) const;
  const std::optional<FabricFailure>& broken(int probe) const;

 private:
  struct Child {
    pid_t pid = 0;
    int in = -1;
    int out = -1;  // -1 after its end
    ProbeMessageReader reader;
    std::optional<ProbeReady> ready;
    std::optional<FabricFailure> broken;
    std::optional<test::ExitStatus> status;
  };
  using Member = std::pair<uint32_t, uint32_t>;  // group, rank

  std::unique_ptr<Child> Spawn(int index, const ProbeOptions& options) const;
  void Send(int probe, const ProbeCommand& command);
  void Read(int probe);
  void Handle(int probe, const ProbeEvent& event);
  void AnswerWaiting();

  std::vector<std::unique_ptr<Child>> children_;
  bool withhold_ = false;
  std::map<uint32_t, std::map<std::string, std::string>> store_;  // by group
  std::vector<std::pair<int, StoreRequest>> waiting_;  // with the probe
  std::map<Member, SlotResult> results_;
  std::map<std::pair<uint32_t, int>, FabricStage> stages_;  // group, probe
};

}  // namespace muster::fabric

#endif  // MUSTER_TESTS_LAUNCHER_FABRIC_GLOO_PROBES_H_
