// One probe, as the agent has it.
#ifndef MUSTER_LAUNCHER_FABRIC_PROBE_PROCESS_H_
#define MUSTER_LAUNCHER_FABRIC_PROBE_PROCESS_H_

#include <sys/types.h>

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "asio/io_context.hpp"
#include "asio/posix/stream_descriptor.hpp"
#include "launcher/fabric/probe_messages.h"
#include "launcher/process/service_keeper.h"
#include "launcher/streams/tail.h"
#include "proto/fabric.pb.h"

namespace muster::fabric {

// How a probe ended.
struct ProbeEnd {
  std::string
      how;  // "died of signal 11 (SIGSEGV)", "could not be started: ..."
  bool started = true;
  std::string last_words;  // the end of its standard error
};

// Job: a probe's pipes and its end. What it says comes as messages, in order.
// Life cycle: construct, Start; on_gone comes once and is the last call.
// Destruction leaves the process to the keeper, with its input closed, at which
// it ends.
// Threads: the loop's only; callbacks come there, never inside a call, and may
// destroy the object.
// Ownership: the loop must outlive this.
class ProbeProcess {
 public:
  struct Callbacks {
    std::function<void(const ProbeEvent&)> on_event;
    std::function<void(const ProbeEnd&)> on_gone;
  };

  ProbeProcess(asio::io_context& loop, process::ServiceKeeper keeper,
               uint32_t id, Callbacks callbacks);
  ~ProbeProcess();
  ProbeProcess(const ProbeProcess&) = delete;
  ProbeProcess& operator=(const ProbeProcess&) = delete;

  void Start(process::SpawnRequest request);
  void Send(const ProbeCommand& command);
  // The end of its input, at which it ends by itself.
  void CloseInput();
  void Kill();

  uint32_t id() const { return id_; }
  pid_t pid() const { return pid_; }
  // The letter of /proc/PID/stat: 'R', 'S', 'D', 'T', ...; 0 where there is no
  // such process.
  char State() const;

 private:
  using Bytes = std::array<char, 16 * 1024>;

  void Spawned(pid_t pid, process::ProcessPipes pipes);
  void Read();
  void ReadErrors();
  void Write();
  void Exited(process::ExitStatus status);
  // Once the process and its pipes have ended.
  void MaybeGone();

  process::ServiceKeeper keeper_;
  const uint32_t id_;
  const Callbacks callbacks_;
  asio::posix::stream_descriptor in_;
  asio::posix::stream_descriptor out_;
  asio::posix::stream_descriptor err_;
  Bytes out_bytes_;
  Bytes err_bytes_;
  ProbeMessageReader reader_;
  streams::StderrTail tail_;
  std::deque<std::string> unsent_;
  size_t sent_ = 0;  // of the first
  bool writing_ = false;
  bool input_ends_ = false;
  bool killed_ = false;
  pid_t pid_ = 0;
  int open_pipes_ = 0;
  std::optional<process::ExitStatus> status_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_PROBE_PROCESS_H_
