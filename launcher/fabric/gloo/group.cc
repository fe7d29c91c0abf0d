#include "launcher/fabric/gloo/group.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "gloo/allreduce.h"
#include "gloo/math.h"
#include "launcher/fabric/gloo/mesh.h"
#include "launcher/fabric/gloo/pace.h"
#include "launcher/fabric/gloo/pattern.h"

namespace muster::fabric {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// What Gloo's own benchmark aligns to.
constexpr size_t kAlignment = 256;

// Floats that nobody has touched yet.
class Floats {
 public:
  explicit Floats(size_t count)
      : data_(static_cast<float*>(::operator new[](
            count * sizeof(float), std::align_val_t(kAlignment)))) {}
  ~Floats() { ::operator delete[](data_, std::align_val_t(kAlignment)); }
  Floats(const Floats&) = delete;
  Floats& operator=(const Floats&) = delete;

  float* get() const { return data_; }

 private:
  float* const data_;
};

// One reduction may take no longer than the time for measuring, and so much of
// the time for all: about ten are made, and what waits for others on a busy
// machine must not look like a slow network.
constexpr uint32_t kLeastMeasureMs = 250;
constexpr double kShareOfRun = 0.08;

double LongestReduction(const FabricGroup& group) {
  return std::min(std::max(group.measure_ms(), kLeastMeasureMs) / 1000.0,
                  group.run_ms() / 1000.0 * kShareOfRun);
}

// Job: the reductions of one group, one after another.
// Threads: one.
class Reducer {
 public:
  Reducer(Attempt& attempt, std::shared_ptr<Mesh> mesh, double connect_seconds)
      : attempt_(attempt),
        mesh_(std::move(mesh)),
        connect_seconds_(connect_seconds),
        floats_(std::max<size_t>(1, attempt.group().bytes() / sizeof(float))),
        input_(floats_),
        output_(floats_) {}

  void Run() {
    attempt_.Enter(FABRIC_STAGE_RUN);
    const TimeOne time_one = [this](uint64_t bytes) { return Reduce(bytes); };
    const Agree agree = [this](double value) { return Largest(value); };
    const FabricGroup& group = attempt_.group();
    // All are there before the first one counts.
    Largest(0);
    const uint64_t bytes = FittingBytes(
        floats_ * sizeof(float), LongestReduction(group), time_one, agree);
    // The first and the last are compared; in between, the same goes on.
    Wrong first = Checked(bytes, 0);
    Largest(0);
    const std::vector<double> samples =
        Sample(bytes, group.measure_ms() / 1000.0, time_one, agree);
    const Wrong last = Checked(bytes, 1);
    attempt_.Enter(FABRIC_STAGE_CHECK);
    if (first.count == 0) {
      first = last;
    } else {
      first.count += last.count;
    }
    if (first.count != 0) {
      attempt_.Fail(WrongData(first, bytes / sizeof(float)));
      return;
    }
    Answer(bytes, samples);
  }

 private:
  // Seconds of one reduction of what the input holds.
  double Reduce(uint64_t bytes) {
    if (bytes != prepared_bytes_) Prepare(bytes);
    if (attempt_.closed()) throw Interrupted();
    attempt_.WaitingFor("end of a reduction of " + std::to_string(bytes) +
                        " bytes among " + Members());
    const Clock::time_point start = Clock::now();
    gloo::allreduce(*reduction_);
    return SecondsSince(start);
  }

  void Prepare(uint64_t bytes) {
    const size_t count = bytes / sizeof(float);
    reduction_.emplace(mesh_);
    reduction_->setInput(input_.get(), count);
    reduction_->setOutput(output_.get(), count);
    reduction_->setAlgorithm(gloo::AllreduceOptions::Algorithm::RING);
    void (*sum)(void*, const void*, const void*, size_t) = &gloo::sum<float>;
    reduction_->setReduceFunction(sum);
    prepared_bytes_ = bytes;
  }

  Wrong Checked(uint64_t bytes, uint32_t pass) {
    const size_t count = bytes / sizeof(float);
    FillInput(input_.get(), count, attempt_.rank(), pass);
    Largest(0);
    Reduce(bytes);
    return CheckSum(output_.get(), count, static_cast<uint32_t>(mesh_->size),
                    pass);
  }

  double Largest(double value) {
    gloo::AllreduceOptions options(mesh_);
    options.setOutput(&value, 1);
    options.setAlgorithm(gloo::AllreduceOptions::Algorithm::RING);
    void (*max)(void*, const void*, const void*, size_t) = &gloo::max<double>;
    options.setReduceFunction(max);
    if (attempt_.closed()) throw Interrupted();
    attempt_.WaitingFor("agreement among " + Members());
    gloo::allreduce(options);
    // Nobody gave such a value; members that go on with different ones would
    // wait for each other until the deadline.
    if (!std::isfinite(value) || value < 0) {
      throw std::runtime_error("the members' times came out as " +
                               std::to_string(value) +
                               ": what is sent does not arrive");
    }
    return value;
  }

  std::string Members() const {
    if (mesh_->size > 2) return std::to_string(mesh_->size) + " members";
    return attempt_.NameOf(0) + " and " + attempt_.NameOf(1);
  }

  FabricFailure WrongData(const Wrong& wrong, size_t of) const {
    FabricFailure failure = attempt_.Failure(
        FABRIC_FAILURE_WRONG,
        "the sum is wrong in " + std::to_string(wrong.count) +
            " elements: number " + std::to_string(wrong.first) + " of " +
            std::to_string(of) + " is " + std::to_string(wrong.is) +
            " instead of " + std::to_string(wrong.should_be));
    failure.set_wrong(wrong.count);
    return failure;
  }

  void Answer(uint64_t bytes, const std::vector<double>& samples) {
    FabricMeasurement measured = Measured(bytes, samples);
    measured.set_connect_seconds(connect_seconds_);
    measured.set_network("Socket");
    attempt_.Measured(std::move(measured));
  }

  Attempt& attempt_;
  const std::shared_ptr<Mesh> mesh_;
  const double connect_seconds_;
  const size_t floats_;
  const Floats input_;
  const Floats output_;
  // Of so many bytes; kept, as Gloo's own benchmark does.
  std::optional<gloo::AllreduceOptions> reduction_;
  uint64_t prepared_bytes_ = 0;
};

// Throws Interrupted, and std::exception where a member cannot be reached; that
// one is `*peer` then.
void ConnectAll(Attempt& attempt, const std::shared_ptr<Mesh>& mesh,
                std::optional<uint32_t>* peer) {
  const std::string mine = mesh->Listen();
  if (!attempt.OnClose([mesh] { mesh->Wake(); })) throw Interrupted();
  attempt.Publish(mine);
  std::vector<std::string> addresses;
  const auto size = static_cast<uint32_t>(mesh->size);
  for (uint32_t member = 0; member < size; ++member) {
    std::optional<std::string> address;
    if (member == attempt.rank()) {
      address.emplace();
    } else {
      address = attempt.Published(member);
    }
    if (!address) throw Interrupted();
    addresses.push_back(*std::move(address));
  }
  for (uint32_t member = 0; member < size; ++member) {
    if (member == attempt.rank()) continue;
    if (attempt.closed()) throw Interrupted();
    *peer = member;
    attempt.WaitingFor("connection with " + attempt.NameOf(member), member);
    mesh->Connect(static_cast<int>(member), addresses[member]);
  }
  peer->reset();
}

// Which member Gloo's error means: the one whose connection is broken.
std::optional<uint32_t> Culprit(Mesh& mesh) {
  const std::vector<int> broken = mesh.Broken();
  if (broken.size() != 1) return std::nullopt;
  return static_cast<uint32_t>(broken[0]);
}

void FailAs(const std::string& what, std::optional<uint32_t> peer,
            const std::string& why, Attempt& attempt) {
  const std::string whom = peer ? " with " + attempt.NameOf(*peer) : "";
  attempt.Fail(attempt.Failure(FABRIC_FAILURE_ERROR,
                               "the " + what + whom + " failed: " + why, peer));
}

// A death anywhere in the group ends the attempt at once, not only for those
// that wait for that member just now. It does not see what comes after the
// answer. The thread ends with the connections.
void WatchConnections(const std::shared_ptr<Attempt>& attempt,
                      const std::shared_ptr<Mesh>& mesh) {
  std::thread([attempt, mesh] {
    const std::string why = mesh->AwaitBreak();
    FailAs("connection", Culprit(*mesh), why, *attempt);
  }).detach();
}

}  // namespace

void TestGroup(const std::shared_ptr<Attempt>& attempt,
               const std::string& address) {
  std::shared_ptr<Mesh> mesh;
  std::optional<uint32_t> peer;
  bool connected = false;
  try {
    attempt->Enter(FABRIC_STAGE_CONNECT);
    const Clock::time_point start = Clock::now();
    mesh = std::make_shared<Mesh>(static_cast<int>(attempt->rank()),
                                  attempt->group().members_size(),
                                  DeviceOf(address));
    ConnectAll(*attempt, mesh, &peer);
    connected = true;
    const double seconds = SecondsSince(start);
    WatchConnections(attempt, mesh);
    Reducer(*attempt, mesh, seconds).Run();
  } catch (const Interrupted&) {
    // There is an answer; the task has been given up.
  } catch (const std::exception& error) {
    if (connected) peer = Culprit(*mesh);
    FailAs(connected ? "reduction" : "connection", peer, GlooMessage(error),
           *attempt);
  }
}

}  // namespace muster::fabric
