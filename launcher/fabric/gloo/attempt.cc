#include "launcher/fabric/gloo/attempt.h"

#include <iostream>
#include <sstream>
#include <utility>

namespace muster::fabric {

using Lock = std::unique_lock<std::mutex>;
using std::chrono::milliseconds;

namespace {

// One line; standard error is the probe's log.
void Log(const SlotResult& result) {
  std::ostringstream line;
  line << "group " << result.group() << ", rank " << result.rank() << ": ";
  if (result.has_failed()) {
    line << result.failed().message();
  } else {
    const FabricMeasurement& measured = result.measured();
    line << measured.bytes() << " bytes in " << measured.best()
         << " s at best, " << measured.median() << " s in the middle of "
         << measured.samples();
    if (!measured.network().empty()) {
      line << ", connected in " << measured.connect_seconds() << " s";
    }
  }
  line << '\n';
  std::cerr << line.str();
}

}  // namespace

Attempt::Attempt(ProbeTask task, EventPipe* agent)
    : task_(std::move(task)),
      agent_(agent),
      deadline_(Clock::now() + milliseconds(group().connect_ms())) {}

std::string Attempt::NameOf(uint32_t rank) const {
  std::string name = "rank " + std::to_string(rank);
  if (rank >= static_cast<uint32_t>(group().names_size())) return name;
  return group().names(static_cast<int>(rank)) + " (" + name + ")";
}

// ---- the worker ----

void Attempt::Enter(FabricStage stage) {
  {
    const Lock lock(mutex_);
    if (stage_ < FABRIC_STAGE_RUN && stage >= FABRIC_STAGE_RUN) {
      deadline_ = Clock::now() + milliseconds(group().run_ms());
    }
    stage_ = stage;
    waiting_for_.clear();
    peer_.reset();
    if (answered_) return;
  }
  ProbeEvent event;
  event.mutable_stage()->set_group(group().id());
  event.mutable_stage()->set_stage(stage);
  agent_->Send(event);
}

void Attempt::WaitingFor(std::string what, std::optional<uint32_t> peer) {
  const Lock lock(mutex_);
  waiting_for_ = std::move(what);
  peer_ = peer;
}

void Attempt::Publish(const std::string& value) {
  ProbeEvent event;
  StoreRequest& request = *event.mutable_store();
  request.set_group(group().id());
  request.set_rank(rank());
  request.set_key(std::to_string(rank()));
  request.set_put(value);
  agent_->Send(event);
}

std::optional<std::string> Attempt::Published(uint32_t member) {
  const std::string key = std::to_string(member);
  {
    const Lock lock(mutex_);
    peer_ = member;
    asking_ = true;
  }
  ProbeEvent event;
  StoreRequest& request = *event.mutable_store();
  request.set_group(group().id());
  request.set_rank(rank());
  request.set_key(key);
  request.set_get(true);
  agent_->Send(event);
  Lock lock(mutex_);
  changed_.wait(lock, [&] { return closed_ || published_.contains(key); });
  if (closed_) return std::nullopt;
  peer_.reset();
  asking_ = false;
  return published_[key];
}

bool Attempt::OnClose(std::function<void()> wake) {
  const Lock lock(mutex_);
  if (closed_) return false;
  wake_ = std::move(wake);
  return true;
}

// ---- any thread ----

void Attempt::Measured(FabricMeasurement measurement) {
  SlotResult result;
  *result.mutable_measured() = std::move(measurement);
  Answer(std::move(result));
}

void Attempt::Fail(FabricFailure failure) {
  SlotResult result;
  *result.mutable_failed() = std::move(failure);
  Answer(std::move(result));
}

void Attempt::Answer(SlotResult result) {
  {
    const Lock lock(mutex_);
    if (std::exchange(answered_, true)) return;
  }
  result.set_group(group().id());
  result.set_rank(rank());
  Log(result);
  ProbeEvent event;
  *event.mutable_result() = std::move(result);
  agent_->Send(event);
}

FabricFailure Attempt::Failure(FabricFailureKind kind, std::string message,
                               std::optional<uint32_t> peer) const {
  FabricFailure failure;
  failure.set_kind(kind);
  failure.set_message(std::move(message));
  if (peer) failure.set_peer(*peer);
  const Lock lock(mutex_);
  failure.set_stage(stage_);
  return failure;
}

bool Attempt::closed() const {
  const Lock lock(mutex_);
  return closed_;
}

// ---- the reader of commands ----

std::optional<Attempt::Clock::time_point> Attempt::deadline() const {
  const Lock lock(mutex_);
  if (answered_) return std::nullopt;
  return deadline_;
}

void Attempt::TimeOut() {
  std::string what;
  std::optional<uint32_t> peer;
  bool missing = false;
  uint32_t limit = group().connect_ms();
  {
    const Lock lock(mutex_);
    what = waiting_for_;
    peer = peer_;
    missing = asking_;
    if (stage_ >= FABRIC_STAGE_RUN) limit = group().run_ms();
  }
  const std::string within = " within " + std::to_string(limit) + " ms";
  if (missing) {
    Fail(Failure(FABRIC_FAILURE_MISSING,
                 NameOf(*peer) + " did not come" + within, peer));
  } else {
    Fail(Failure(FABRIC_FAILURE_TIMEOUT,
                 "no " + (what.empty() ? "result" : what) + within, peer));
  }
}

void Attempt::Received(const StoreValue& value) {
  const Lock lock(mutex_);
  published_[value.key()] = value.value();
  changed_.notify_all();
}

void Attempt::Close() {
  std::function<void()> wake;
  {
    const Lock lock(mutex_);
    if (std::exchange(closed_, true)) return;
    wake.swap(wake_);
  }
  changed_.notify_all();
  if (wake) wake();
}

}  // namespace muster::fabric
