#include "env/schedulers/sagemaker.h"
#include "tests/env/schedulers/case_file.h"
#include "tests/fuzz/discovery_checks.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  muster::test::FakeFiles files;
  files.texts["/opt/ml/input/config/resourceconfig.json"] =
      muster::test::Text(data, size);
  const muster::env::Variables variables;
  const muster::env::NodeIdentity node;
  muster::test::CheckDiscovery(
      muster::env::DiscoverSageMaker({variables, node, files}));
  return 0;
}
