// Probes on pretended GPUs.
#ifndef MUSTER_TESTS_LAUNCHER_FABRIC_NCCL_STAND_IN_FLEET_H_
#define MUSTER_TESTS_LAUNCHER_FABRIC_NCCL_STAND_IN_FLEET_H_

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/fabric_probes/fabric_probes.h"

namespace muster::test {

class StandInProbes : public ::testing::Test {
 protected:
  // The probe of a GPU, which loads the stand-ins' libraries.
  FabricProbe* Add(const std::string& host, uint32_t gpu,
                   std::map<std::string, std::string> env = {},
                   std::vector<std::string> arguments = {}) {
    env.emplace("LD_LIBRARY_PATH", MUSTER_STAND_INS);
    if (!fault.empty()) env.emplace("MUSTER_FAULT", fault);
    env.insert(environment.begin(), environment.end());
    return fleet.Add({.host = host,
                      .gpu = gpu,
                      .arguments = std::move(arguments),
                      .env = std::move(env)});
  }

  // GPU 0 of each.
  std::vector<FabricProbe*> AddHosts(const std::vector<std::string>& hosts) {
    std::vector<FabricProbe*> probes;
    for (const std::string& host : hosts) probes.push_back(Add(host, 0));
    return probes;
  }

  void TearDown() override {
    if (HasFailure()) fputs(fleet.Text().c_str(), stderr);
  }

  std::string fault;
  std::map<std::string, std::string> environment;
  ProbeFleet fleet;
};

}  // namespace muster::test

#endif  // MUSTER_TESTS_LAUNCHER_FABRIC_NCCL_STAND_IN_FLEET_H_
