#include "env/schedulers/sagemaker.h"
#include "tests/fuzz/discovery_checks.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  muster::test::CheckVariable("SM_HOSTS", muster::test::Text(data, size),
                              muster::env::DiscoverSageMaker,
                              {{"SM_CURRENT_HOST", "a1"}});
  return 0;
}
