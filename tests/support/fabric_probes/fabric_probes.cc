#include "tests/support/fabric_probes/fabric_probes.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "launcher/fabric/probe_messages.h"
#include "tests/support/exec_words.h"
#include "tests/support/muster.h"

namespace muster::test {
namespace {

[[noreturn]] void Die(const char* call) {
  std::perror(call);
  std::abort();
}

SlotResult Crashed(uint32_t group, uint32_t rank) {
  SlotResult result;
  result.set_group(group);
  result.set_rank(rank);
  result.mutable_failed()->set_kind(FABRIC_FAILURE_CRASHED);
  return result;
}

}  // namespace

void FabricStore::Take(const StoreRequest& request, Answer answer) {
  const Key key = {request.group(), request.key()};
  StoreValue value;
  value.set_group(request.group());
  value.set_rank(request.rank());
  value.set_key(request.key());
  std::vector<std::pair<StoreValue, Answer>> due;
  {
    absl::MutexLock lock(&mutex_);
    if (request.has_put()) {
      values_[key] = request.put();
      const auto [begin, end] = waiting_.equal_range(key);
      for (auto one = begin; one != end; ++one) due.push_back(one->second);
      waiting_.erase(begin, end);
    } else if (values_.count(key) > 0) {
      due.emplace_back(value, std::move(answer));
    } else {
      waiting_.emplace(key, std::make_pair(value, std::move(answer)));
    }
    for (auto& [one, unused] : due) one.set_value(values_[key]);
  }
  for (const auto& [one, tell] : due) tell(one);
}

FabricProbe::FabricProbe(const ProbeSpec& spec, FabricStore& store)
    : store_(store),
      host_(spec.host),
      gpu_(spec.gpu),
      patience_(spec.patience),
      log_(directory_.File("nccl.log")),
      stderr_(directory_.File("stderr")) {
  Start(spec);
  reader_ = std::thread([this] { ReadEvents(); });
}

FabricProbe::~FabricProbe() {
  kill(pid_, SIGKILL);
  reader_.join();
  close(out_);
  CloseInput();
}

void FabricProbe::Start(const ProbeSpec& spec) {
  std::vector<std::string> arguments = {MusterBinary(), "fabric-probe", "--log",
                                        log_};
  arguments.insert(arguments.end(), spec.arguments.begin(),
                   spec.arguments.end());
  std::map<std::string, std::string> env = spec.env;
  env.emplace("MUSTER_PROBE", absl::StrCat(host_, "/", gpu_));
  env.emplace("CUDA_VISIBLE_DEVICES", absl::StrCat(gpu_));
  std::vector<std::string> variables = EnvironmentOf(std::move(env));
  const std::vector<char*> argv = Pointers(arguments);
  const std::vector<char*> envp = Pointers(variables);
  const int err = open(stderr_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  int in[2];
  int out[2];
  if (err < 0 || pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) {
    Die("open or pipe2");
  }
  pid_ = fork();
  if (pid_ < 0) Die("fork");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(in[0], 0);
    dup2(out[1], 1);
    dup2(err, 2);
    execve(argv[0], argv.data(), envp.data());
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  close(err);
  absl::MutexLock lock(&write_mutex_);
  in_ = in[1];
  out_ = out[0];
}

void FabricProbe::ReadEvents() {
  fabric::ProbeMessageReader reader;
  char buffer[4096];
  for (;;) {
    const ssize_t size = read(out_, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    reader.Add(buffer, static_cast<size_t>(size));
    ProbeEvent event;
    while (reader.Next(&event)) Take(event);
  }
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  absl::MutexLock lock(&mutex_);
  garbled_ = reader.broken();
  ended_ = true;
  status_ = WIFSIGNALED(status) ? Killed(WTERMSIG(status))
                                : Code(WEXITSTATUS(status));
}

void FabricProbe::Take(const ProbeEvent& event) {
  if (event.has_store()) {
    store_.Take(event.store(), [this](const StoreValue& value) {
      ProbeCommand command;
      *command.mutable_value() = value;
      Send(command);
    });
    return;
  }
  absl::MutexLock lock(&mutex_);
  events_.push_back(event);
}

void FabricProbe::Send(const ProbeCommand& command) {
  SendBytes(fabric::EncodeProbeMessage(command));
}

void FabricProbe::SendBytes(const std::string& bytes) {
  absl::MutexLock lock(&write_mutex_);
  if (in_ < 0) return;
  // One that has died takes nothing: its end is what the test looks at.
  static const bool ignored = signal(SIGPIPE, SIG_IGN) != SIG_ERR;
  if (!ignored || write(in_, bytes.data(), bytes.size()) < 0) return;
}

void FabricProbe::Stop(uint32_t group) {
  ProbeCommand command;
  command.mutable_stop()->set_group(group);
  Send(command);
}

void FabricProbe::CloseInput() {
  absl::MutexLock lock(&write_mutex_);
  if (in_ >= 0) close(in_);
  in_ = -1;
}

void FabricProbe::Signal(int signal) const { kill(pid_, signal); }

bool FabricProbe::Await(const std::function<bool()>& predicate) {
  const auto decided = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return predicate() || ended_;
  };
  mutex_.LockWhenWithTimeout(absl::Condition(&decided), patience_);
  const bool is_so = predicate();
  mutex_.Unlock();
  return is_so;
}

std::optional<std::string> FabricProbe::WaitForReady() {
  std::optional<std::string> backend;
  Await([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    for (const ProbeEvent& event : events_) {
      if (event.has_ready()) backend = event.ready().backend();
    }
    return backend.has_value();
  });
  return backend;
}

std::optional<FabricFailure> FabricProbe::WaitForBroken() {
  std::optional<FabricFailure> failure;
  Await([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    for (const ProbeEvent& event : events_) {
      if (event.has_broken()) failure = event.broken();
    }
    return failure.has_value();
  });
  return failure;
}

bool FabricProbe::WaitForStage(uint32_t group, FabricStage stage, int count) {
  return Await([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    int times = 0;
    for (const ProbeEvent& event : events_) {
      times += event.stage().group() == group && event.stage().stage() == stage;
    }
    return times >= count;
  });
}

std::optional<SlotResult> FabricProbe::WaitForResult(uint32_t group) {
  std::optional<SlotResult> result;
  Await([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    for (const ProbeEvent& event : events_) {
      if (event.has_result() && event.result().group() == group) {
        result = event.result();
      }
    }
    return result.has_value();
  });
  return result;
}

ExitStatus FabricProbe::Wait() {
  Await([]() { return false; });
  absl::MutexLock lock(&mutex_);
  return status_;
}

std::string FabricProbe::Text() {
  absl::MutexLock lock(&mutex_);
  std::string text = absl::StrCat("probe ", host_, "/", gpu_, "\n");
  for (const ProbeEvent& event : events_) {
    absl::StrAppend(&text, event.ShortDebugString(), "\n");
  }
  if (garbled_) text += "then what is no event\n";
  return absl::StrCat(text, "standard error:\n", ReadFile(stderr_));
}

ProbeFleet::~ProbeFleet() {
  for (const auto& probe : probes_) probe->Signal(SIGKILL);
  // A value for one of them may be on its way from another's thread.
  for (const auto& probe : probes_) probe->Wait();
}

FabricProbe* ProbeFleet::Add(const ProbeSpec& spec) {
  probes_.push_back(std::make_unique<FabricProbe>(spec, store_));
  return probes_.back().get();
}

std::string ProbeFleet::Text() {
  std::string text;
  for (const auto& probe : probes_) absl::StrAppend(&text, probe->Text(), "\n");
  return text;
}

FabricGroup MakeGroup(const std::vector<FabricProbe*>& members,
                      const GroupSpec& spec) {
  static std::atomic<uint32_t> last_id{0};
  FabricGroup group;
  group.set_id(++last_id);
  group.set_bytes(spec.bytes);
  group.set_ring(spec.ring);
  group.set_connect_ms(spec.connect_ms);
  group.set_run_ms(spec.run_ms);
  group.set_measure_ms(spec.measure_ms);
  for (const FabricProbe* probe : members) {
    group.add_members()->set_gpu(probe->gpu());
    group.add_names(absl::StrCat(probe->host(), "/", probe->gpu()));
  }
  return group;
}

void Begin(FabricProbe& probe, const FabricGroup& group, uint32_t rank) {
  ProbeCommand command;
  *command.mutable_task()->mutable_group() = group;
  command.mutable_task()->set_rank(rank);
  probe.Send(command);
}

std::vector<SlotResult> RunGroup(const std::vector<FabricProbe*>& members,
                                 const GroupSpec& spec) {
  const FabricGroup group = MakeGroup(members, spec);
  uint32_t rank = 0;
  for (FabricProbe* probe : members) Begin(*probe, group, rank++);
  std::vector<SlotResult> results;
  for (FabricProbe* probe : members) {
    const auto number = static_cast<uint32_t>(results.size());
    results.push_back(
        probe->WaitForResult(group.id()).value_or(Crashed(group.id(), number)));
  }
  return results;
}

}  // namespace muster::test
