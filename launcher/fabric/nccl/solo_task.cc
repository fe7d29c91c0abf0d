#include "launcher/fabric/nccl/solo_task.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "launcher/fabric/bandwidth.h"
#include "launcher/fabric/nccl/pattern.h"
#include "launcher/fabric/nccl/sampling.h"

namespace muster::fabric {
namespace {

// Job: one solo test. Life cycle: made, Run once. Threads: one.
class SoloTask {
 public:
  SoloTask(const FabricGroup& group, DeviceRuntime& device, Transfer& transfer,
           Watch& watch)
      : group_(group),
        device_(device),
        transfer_(transfer),
        watch_(watch),
        original_(device),
        copy_(device) {}

  Failed Run(FabricMeasurement* measured) {
    if (Failed failed = FailedBy(Allocate())) return failed;
    const std::vector<float> values =
        PatternValues(group_.id() % kMostMembers, elements_, group_.id());
    Failed failed = transfer_.Write(original_.get(), elements_, values, watch_);
    if (!failed) failed = Check(original_, "what was written", values);
    if (!failed) failed = Measure(measured);
    if (!failed) failed = Check(copy_, "what was copied", values);
    return failed;
  }

 private:
  absl::Status Allocate() {
    const absl::StatusOr<DeviceRuntime::Memory> memory = device_.GetMemory();
    if (!memory.ok()) return memory.status();
    const size_t bytes = std::min<size_t>(group_.bytes(), memory->free / 20);
    elements_ = std::max<size_t>(bytes / sizeof(float), 1);
    absl::Status status = original_.Allocate(Bytes());
    status.Update(copy_.Allocate(Bytes()));
    return status;
  }

  size_t Bytes() const { return elements_ * sizeof(float); }

  Failed Check(const DeviceMemory& memory, const char* what,
               const std::vector<float>& values) {
    PatternCheck check(&values);
    if (Failed failed =
            transfer_.Read(memory.get(), elements_, &check, watch_)) {
      return failed;
    }
    if (check.wrong() == 0) return std::nullopt;
    FabricFailure failure = MakeFailure(
        FABRIC_FAILURE_WRONG, absl::StrCat("the GPU's memory: of ", what, ", ",
                                           check.Describe(elements_)));
    failure.set_wrong(check.wrong());
    return failure;
  }

  // Seconds of one of `times` copies.
  Failed Time(uint32_t times, double* seconds) {
    absl::Status status = device_.MarkStart();
    for (uint32_t i = 0; i < times; ++i) {
      status.Update(device_.CopyWithin(copy_.get(), original_.get(), Bytes()));
    }
    status.Update(device_.MarkEnd());
    if (!status.ok()) return FailedBy(status);
    if (Failed failed = transfer_.WaitForDevice(
            "copying within the GPU's memory", watch_)) {
      return failed;
    }
    const absl::StatusOr<double> all = device_.MarkedSeconds();
    if (!all.ok()) return FailedBy(all.status());
    *seconds = *all / times;
    return std::nullopt;
  }

  Failed Measure(FabricMeasurement* measured) {
    const double measure = group_.measure_ms() / 1e3;
    double seconds = 0;
    if (Failed failed = Time(1, &seconds)) return failed;
    const uint32_t warm_up = PlanWarmUp(seconds, measure);
    for (uint32_t i = 0; i < warm_up; ++i) {
      if (Failed failed = Time(1, &seconds)) return failed;
    }
    const Sampling plan = PlanSampling(seconds, measure, group_.run_ms() / 1e3);
    std::vector<double> samples(plan.batches);
    for (double& sample : samples) {
      if (Failed failed = Time(plan.in_batch, &sample)) return failed;
    }
    measured->set_bytes(Bytes());
    measured->set_best(*std::min_element(samples.begin(), samples.end()));
    measured->set_median(Median(samples));
    measured->set_samples(plan.batches);
    return std::nullopt;
  }

  const FabricGroup& group_;
  DeviceRuntime& device_;
  Transfer& transfer_;
  Watch& watch_;
  DeviceMemory original_;
  DeviceMemory copy_;
  size_t elements_ = 0;
};

}  // namespace

Failed RunSoloTask(const FabricGroup& group, DeviceRuntime& device,
                   Transfer& transfer, Watch& watch,
                   FabricMeasurement* measured, bool* stuck) {
  auto task = std::make_unique<SoloTask>(group, device, transfer, watch);
  Failed failed = task->Run(measured);
  if (!failed) return failed;
  failed->set_stage(FABRIC_STAGE_MEMORY);
  *stuck = !Settles(device);
  // Memory that is still in use can't be freed: the driver would wait for it.
  if (*stuck) static_cast<void>(task.release());
  return failed;
}

}  // namespace muster::fabric
