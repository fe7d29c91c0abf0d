#include "env/schedulers/hostlist.h"
#include "env/schedulers/hosts.h"
#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using muster::test::Require;
  const auto hosts =
      muster::env::ExpandHostlist(muster::test::Text(data, size));
  if (hosts.ok()) {
    Require(!hosts->empty(), "a list names a host");
    Require(hosts->size() <= muster::env::kMaxHosts, "a list is bounded");
    // Every name is expanded already.
    for (size_t i = 0; i < hosts->size(); i += 1 + hosts->size() / 16) {
      const auto again = muster::env::ExpandHostlist((*hosts)[i]);
      Require(again.ok() && again->size() == 1 && (*again)[0] == (*hosts)[i],
              "a name stands for itself");
    }
  } else {
    Require(hosts.status().message().size() < 1000, "an error stays readable");
  }
  return 0;
}
