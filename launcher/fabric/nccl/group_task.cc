#include "launcher/fabric/nccl/group_task.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "launcher/fabric/bandwidth.h"
#include "launcher/fabric/nccl/communicator.h"
#include "launcher/fabric/nccl/meeting.h"
#include "launcher/fabric/nccl/pattern.h"
#include "launcher/fabric/nccl/sampling.h"
#include "launcher/fabric/nccl/watch.h"

namespace muster::fabric {
namespace {

// Not a number, as a float32: results that never came are found.
constexpr unsigned char kPoison = 0xFF;

// Job: one group test. Life cycle: made, Run once. Threads: one.
class GroupTask {
 public:
  GroupTask(const ProbeTask& task, const TaskTools& tools)
      : task_(task),
        group_(task.group()),
        tools_(tools),
        elements_(std::max<size_t>(group_.bytes() / sizeof(float), 1)),
        mine_(tools.device),
        sum_(tools.device),
        agreed_(tools.device),
        communicator_(tools.nccl, tools.device) {}

  Failed Run(FabricMeasurement* measured, bool* stuck) {
    Failed failed = Steps(measured);
    if (!failed) return failed;
    failed->set_stage(stage_);
    if (!communicator_.Abort()) {
      *stuck = true;
      absl::StrAppend(failed->mutable_message(),
                      "; ncclCommAbort did not return");
    } else if (!Settles(tools_.device)) {
      *stuck = true;
      absl::StrAppend(failed->mutable_message(),
                      "; the GPU went on after ncclCommAbort");
    }
    return failed;
  }

 private:
  Failed Steps(FabricMeasurement* measured) {
    Enter(FABRIC_STAGE_MEMORY);
    if (Failed failed = FailedBy(Allocate())) return failed;
    if (Failed failed = Connect(measured)) return failed;
    Watch watch(tools_.inbox, group_.id(), absl::Milliseconds(group_.run_ms()));
    double seconds = 0;
    if (Failed failed = Exact(0, watch, &seconds)) return failed;
    if (Failed failed = Measure(watch, seconds, measured)) return failed;
    if (Failed failed = Exact(1, watch, &seconds)) return failed;
    return communicator_.Finish(watch);
  }

  void Enter(FabricStage stage) {
    stage_ = stage;
    tools_.outbox.Stage(group_.id(), stage);
  }

  absl::Status Allocate() {
    absl::Status status = mine_.Allocate(elements_ * sizeof(float));
    status.Update(sum_.Allocate(elements_ * sizeof(float)));
    status.Update(agreed_.Allocate(2 * sizeof(float)));
    return status;
  }

  Failed Connect(FabricMeasurement* measured) {
    Enter(FABRIC_STAGE_CONNECT);
    Watch watch(tools_.inbox, group_.id(),
                absl::Milliseconds(group_.connect_ms()));
    ncclUniqueId id;
    if (Failed failed =
            Meet(task_, tools_.nccl, tools_.inbox, tools_.outbox, watch, &id)) {
      return failed;
    }
    const auto start = Watch::Clock::now();
    if (Failed failed = communicator_.Connect(
            id, group_.members_size(), static_cast<int>(task_.rank()), watch)) {
      return failed;
    }
    measured->set_connect_seconds(
        absl::ToDoubleSeconds(absl::FromChrono(Watch::Clock::now() - start)));
    return std::nullopt;
  }

  // Seconds of one of `times` reductions.
  Failed Time(uint32_t times, Watch& watch, double* seconds) {
    if (Failed failed = FailedBy(tools_.device.MarkStart())) return failed;
    for (uint32_t i = 0; i < times; ++i) {
      if (Failed failed = communicator_.Reduce(mine_.get(), sum_.get(),
                                               elements_, ncclSum, watch)) {
        return failed;
      }
    }
    if (Failed failed = FailedBy(tools_.device.MarkEnd())) return failed;
    if (Failed failed = communicator_.WaitForDevice(watch)) return failed;
    const absl::StatusOr<double> all = tools_.device.MarkedSeconds();
    if (!all.ok()) return FailedBy(all.status());
    *seconds = *all / times;
    return std::nullopt;
  }

  // One reduction with data of its own, all of which is looked at.
  Failed Exact(uint32_t iteration, Watch& watch, double* seconds) {
    Enter(FABRIC_STAGE_RUN);
    const uint32_t number = 2 * group_.id() + iteration;
    if (Failed failed = tools_.transfer.Write(
            mine_.get(), elements_,
            PatternValues(task_.rank(), elements_, number), watch)) {
      return failed;
    }
    if (Failed failed = FailedBy(tools_.device.Fill(
            sum_.get(), kPoison, elements_ * sizeof(float)))) {
      return failed;
    }
    if (Failed failed = Time(1, watch, seconds)) return failed;
    Enter(FABRIC_STAGE_CHECK);
    const std::vector<float> sums = PatternSums(
        static_cast<uint32_t>(group_.members_size()), elements_, number);
    PatternCheck check(&sums);
    if (Failed failed =
            tools_.transfer.Read(sum_.get(), elements_, &check, watch)) {
      return failed;
    }
    if (check.wrong() == 0) return std::nullopt;
    FabricFailure failure =
        MakeFailure(FABRIC_FAILURE_WRONG,
                    absl::StrCat("the sum of ", group_.members_size(),
                                 " members: ", check.Describe(elements_)));
    failure.set_wrong(check.wrong());
    return failure;
  }

  // The largest `seconds` of all members, in all of them: all must reduce
  // equally often.
  Failed Agree(Watch& watch, double* seconds) {
    float* const agreed = static_cast<float*>(agreed_.get());
    const std::vector<float> own = {static_cast<float>(*seconds)};
    if (Failed failed = tools_.transfer.Write(agreed, 1, own, watch)) {
      return failed;
    }
    if (Failed failed =
            communicator_.Reduce(agreed, agreed + 1, 1, ncclMax, watch)) {
      return failed;
    }
    if (Failed failed = communicator_.WaitForDevice(watch)) return failed;
    float largest = 0;
    if (Failed failed = tools_.transfer.ReadOne(agreed + 1, &largest, watch)) {
      return failed;
    }
    *seconds = static_cast<double>(largest);
    return std::nullopt;
  }

  Failed Measure(Watch& watch, double seconds, FabricMeasurement* measured) {
    Enter(FABRIC_STAGE_RUN);
    const double measure = group_.measure_ms() / 1e3;
    if (Failed failed = Agree(watch, &seconds)) return failed;
    const uint32_t warm_up = PlanWarmUp(seconds, measure);
    for (uint32_t i = 0; i < warm_up; ++i) {
      if (Failed failed = Time(1, watch, &seconds)) return failed;
    }
    if (warm_up > 0) {
      if (Failed failed = Agree(watch, &seconds)) return failed;
    }
    const Sampling plan = PlanSampling(seconds, measure, group_.run_ms() / 1e3);
    std::vector<double> samples(plan.batches);
    for (double& sample : samples) {
      if (Failed failed = Time(plan.in_batch, watch, &sample)) return failed;
    }
    measured->set_bytes(elements_ * sizeof(float));
    measured->set_best(*std::min_element(samples.begin(), samples.end()));
    measured->set_median(Median(samples));
    measured->set_samples(plan.batches);
    return std::nullopt;
  }

  const ProbeTask& task_;
  const FabricGroup& group_;
  const TaskTools& tools_;
  const size_t elements_;
  DeviceMemory mine_;
  DeviceMemory sum_;
  DeviceMemory agreed_;
  Communicator communicator_;
  FabricStage stage_ = FABRIC_STAGE_START;
};

}  // namespace

Failed RunGroupTask(const ProbeTask& task, const TaskTools& tools,
                    FabricMeasurement* measured, bool* stuck) {
  auto group = std::make_unique<GroupTask>(task, tools);
  Failed failed = group->Run(measured, stuck);
  // Memory that is still in use can't be freed: the driver would wait for it.
  if (*stuck) static_cast<void>(group.release());
  return failed;
}

}  // namespace muster::fabric
