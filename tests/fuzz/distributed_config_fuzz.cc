#include "env/schedulers/azure.h"
#include "tests/fuzz/discovery_checks.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  muster::test::CheckVariable(
      "AZUREML_CR_DISTRIBUTED_CONFIG", muster::test::Text(data, size),
      muster::env::DiscoverAzureMl, {{"VK_TASK_INDEX", "1"}});
  return 0;
}
