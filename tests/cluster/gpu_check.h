// The self-test of hosts with pretended GPUs: the real probe loads libraries
// that take the place of the driver's and NCCL's, with faults on demand
// (tests/support/fabric_stand_ins/faults.h).
#ifndef MUSTER_TESTS_CLUSTER_GPU_CHECK_H_
#define MUSTER_TESTS_CLUSTER_GPU_CHECK_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/cluster/check.h"

namespace muster::test {

class GpuCheckTest : public CheckTest {
 protected:
  // Hosts of so many GPUs each, all of one speed but for the fault.
  void MakeGpuHosts(int hosts, int gpus, const std::string& fault = "") {
    MakeHosts(hosts);
    environment_["LD_LIBRARY_PATH"] = MUSTER_STAND_INS;
    environment_["STAND_IN_GPUS"] = absl::StrCat(gpus);
    environment_["STAND_IN_GBPS"] = "0.002";
    environment_["MUSTER_FAULT"] = fault;
  }
  // Messages that fit pretended GPUs.
  static Flags Small(Flags flags = {}) {
    flags.insert({{"--fabric-check", "nccl"}, {"--size", "64KiB"}});
    return flags;
  }
};

}  // namespace muster::test

#endif  // MUSTER_TESTS_CLUSTER_GPU_CHECK_H_
