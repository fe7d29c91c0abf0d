// A whole environment, in the form of tests/env/schedulers/case_file.h; the
// golden inputs are part of its corpus.
#include "env/schedulers/discover.h"
#include "tests/env/schedulers/case_file.h"
#include "tests/fuzz/discovery_checks.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const muster::test::Case given =
      muster::test::ParseCase(muster::test::Text(data, size));
  const muster::env::MaybeDiscovery found = muster::env::Discover(
      {given.variables, given.node, given.files, given.level}, given.scheduler);
  muster::test::CheckDiscovery(found);
  muster::test::Require(
      muster::test::Describe(found) ==
          muster::test::Describe(muster::env::Discover(
              {given.variables, given.node, given.files, given.level},
              given.scheduler)),
      "the same environment gives the same answer");
  return 0;
}
