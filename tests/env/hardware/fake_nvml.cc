// Stands in for libnvidia-ml.so.1. It answers only between init and shutdown,
// as the real one does.
#ifndef FAKE_INIT_RESULT
#define FAKE_INIT_RESULT 0
#endif
#ifndef FAKE_COUNT_RESULT
#define FAKE_COUNT_RESULT 0
#endif

namespace {
bool initialised = false;
}

extern "C" {

int nvmlInit_v2() {
  initialised = FAKE_INIT_RESULT == 0;
  return FAKE_INIT_RESULT;
}

int nvmlShutdown() {
  initialised = false;
  return 0;
}

const char* nvmlErrorString(int) { return "the fake's reason"; }

#ifndef FAKE_WITHOUT_COUNT
int nvmlDeviceGetCount_v2(unsigned int* count) {
  if (!initialised) return 1;
  *count = FAKE_GPUS;
  return FAKE_COUNT_RESULT;
}
#endif

}  // extern "C"
