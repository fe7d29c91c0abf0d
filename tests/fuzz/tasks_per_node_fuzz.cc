#include "env/schedulers/hostlist.h"
#include "env/schedulers/hosts.h"
#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using muster::test::Require;
  const auto counts = muster::env::ExpandCounts(muster::test::Text(data, size));
  if (counts.ok()) {
    Require(counts->size() <= muster::env::kMaxHosts, "counts are bounded");
  } else {
    Require(counts.status().message().size() < 1000, "an error stays readable");
  }
  return 0;
}
