#include "env/schedulers/host_file.h"
#include "env/schedulers/hosts.h"
#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using muster::test::Require;
  const auto hosts = muster::env::ParseHostFile(muster::test::Text(data, size));
  if (hosts.ok()) {
    Require(muster::env::CheckHosts(*hosts).ok(),
            "hosts are sound and different");
  } else {
    Require(hosts.status().message().size() < 1000, "an error stays readable");
  }
  return 0;
}
