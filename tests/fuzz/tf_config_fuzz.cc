#include "env/schedulers/cluster_json.h"
#include "tests/fuzz/discovery_checks.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  muster::test::CheckVariable("TF_CONFIG", muster::test::Text(data, size),
                              muster::env::DiscoverTfConfig);
  return 0;
}
