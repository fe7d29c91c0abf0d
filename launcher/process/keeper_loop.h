#ifndef MUSTER_LAUNCHER_PROCESS_KEEPER_LOOP_H_
#define MUSTER_LAUNCHER_PROCESS_KEEPER_LOOP_H_

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "launcher/process/descendants.h"
#include "launcher/process/messages.h"
#include "launcher/process/spawn.h"
#include "launcher/process/stop_sequence.h"
#include "launcher/process/unique_fd.h"
#include "launcher/process/wire.h"

namespace muster::process {

// One line on stderr, for what no message can say; dropped rather than waited
// for when nobody reads.
void LastWords(absl::string_view text);

// The keeper's work: carries out the agent's messages and the stop sequence's
// decisions, and reaps. Owns its descriptors and every child of the process.
//
// Life cycle: construct, Run() once. One thread, which must be the process's
// only one. Never blocks but in poll and in the file system's answers to a
// search for a program.
class KeeperLoop {
 public:
  // `socket` leads to the agent; `signals` is a signalfd with SIGCHLD.
  KeeperLoop(UniqueFd socket, UniqueFd signals);

  // Returns when the agent is gone, nothing is left to stop, and the
  // directories that were to go with the keeper are removed.
  void Run();

 private:
  // A worker, or a service, which only Finish and the end of the agent stop.
  struct Worker {
    uint32_t id;
    bool service;
    Child child;
    // The exec has neither succeeded nor failed yet.
    bool starting() const { return child.result_fd.valid(); }
  };
  using Workers = std::map<pid_t, Worker>;

  void WaitForEvents();
  void DrainSignals();

  // Messages.
  void ReadMessages();
  // False: not a message that an agent sends.
  bool HandleMessage(Frame frame);
  void HandleSpawn(SpawnRequest request, bool fds_lost);
  void HandleSignal(const SignalMessage& message);
  void AgentGone(absl::string_view why);
  void Send(Frame frame);
  void Flush();

  // Processes.
  void Reap();
  void FinishStart(Workers::iterator worker);
  bool IdInUse(uint32_t id) const;
  void SignalWorkers(int signo);
  void TerminateDescendants();
  void KillDescendants();
  std::vector<ProcessEntry> LiveDescendants();
  // True the first time that `process` is swept.
  bool NoteSwept(const ProcessEntry& process);
  void ReportSwept();

  void RemoveDirectories();

  void Apply(const StopSequence::Effects& effects);
  StopSequence::Census Alive() const;

  UniqueFd socket_;  // invalid once the agent is gone
  UniqueFd signals_;
  FrameReader reader_;
  FrameWriter writer_;
  bool write_blocked_ = false;

  Workers workers_;
  bool children_ = false;
  StopSequence stop_;
  std::chrono::milliseconds orphan_grace_{30000};
  std::vector<std::string> directories_;  // to be removed at the end

  // What the sweep under way has signalled: by number and start time.
  std::set<std::pair<pid_t, uint64_t>> signalled_;
  std::vector<ProcessEntry> swept_;
  bool complained_ = false;  // of an unreadable /proc, once
};

}  // namespace muster::process

#endif  // MUSTER_LAUNCHER_PROCESS_KEEPER_LOOP_H_
