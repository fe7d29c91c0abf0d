// A stand-in for libcuda.so.1: device memory is the host's, a stream is a
// thread. See faults.h.
#include <cuda.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "tests/support/fabric_stand_ins/faults.h"
#include "tests/support/fabric_stand_ins/machine.h"

using Clock = std::chrono::steady_clock;

struct CUctx_st {
  int gpu = 0;
};

struct CUevent_st {
  Clock::time_point at;
};

// Does what is put on it, one after the other, on a thread of its own.
struct CUstream_st {
 public:
  CUstream_st() : worker_([this] { Work(); }) { worker_.detach(); }

  void Put(std::function<void()> job) {
    std::lock_guard<std::mutex> lock(mutex_);
    jobs_.push_back(std::move(job));
    ++pending_;
    wake_.notify_one();
  }
  bool idle() const { return pending_ == 0; }

 private:
  void Work() {
    for (;;) {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [this] { return !jobs_.empty(); });
      std::function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
      --pending_;
    }
  }

  std::atomic<int> pending_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  std::thread worker_;
};

namespace {

using muster::stand_in::Fault;
using muster::stand_in::Faults;

std::atomic<size_t> used{0};
std::atomic<bool> is_initialized{false};
thread_local CUcontext current = nullptr;

size_t MemoryBytes() {
  const char* text = getenv("STAND_IN_MEMORY");
  return text != nullptr ? strtoull(text, nullptr, 10)
                         : muster::stand_in::kMemoryBytes;
}

// The size of an allocation stands before it.
constexpr size_t kHead = 64;

void* At(CUdeviceptr pointer) { return reinterpret_cast<void*>(pointer); }

void CopyWithin(void* to, const void* from, size_t bytes) {
  const auto start = Clock::now();
  Faults::Get().MayCrash("memory");
  memcpy(to, from, bytes);
  if (Faults::Get().OfGpu("wrong") != nullptr && bytes >= sizeof(float)) {
    static_cast<float*>(to)[bytes / sizeof(float) / 2] += 1;
  }
  std::this_thread::sleep_until(
      start + muster::stand_in::LeastTime(bytes, Faults::Get().OfGpu("slow")));
}

__attribute__((constructor)) void Load() {
  Faults::Get().MayCrash("start");
  muster::stand_in::HideMissingSymbols(reinterpret_cast<void*>(&Load));
}

struct Explanation {
  CUresult result;
  const char* name;
  const char* text;
};
constexpr Explanation kExplanations[] = {
    {CUDA_SUCCESS, "CUDA_SUCCESS", "no error"},
    {CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {CUDA_ERROR_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {CUDA_ERROR_NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED",
     "initialization error"},
    {CUDA_ERROR_NO_DEVICE, "CUDA_ERROR_NO_DEVICE",
     "no CUDA-capable device is detected"},
    {CUDA_ERROR_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE",
     "invalid device ordinal"},
    {CUDA_ERROR_ECC_UNCORRECTABLE, "CUDA_ERROR_ECC_UNCORRECTABLE",
     "uncorrectable ECC error encountered"},
    {CUDA_ERROR_NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
};

const Explanation* Find(CUresult result) {
  for (const Explanation& one : kExplanations) {
    if (one.result == result) return &one;
  }
  return nullptr;
}

}  // namespace

// cuda.h gives some of these names their newest versions.
#undef cuMemAlloc
#undef cuMemFree
#undef cuMemGetInfo
#undef cuEventElapsedTime

extern "C" {

CUresult cuInit(unsigned int flags) {
  if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
  if (muster::stand_in::VisibleGpus().empty()) return CUDA_ERROR_NO_DEVICE;
  is_initialized = true;
  return CUDA_SUCCESS;
}

CUresult cuGetErrorName(CUresult result, const char** text) {
  const Explanation* found = Find(result);
  *text = found != nullptr ? found->name : nullptr;
  return found != nullptr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGetErrorString(CUresult result, const char** text) {
  const Explanation* found = Find(result);
  *text = found != nullptr ? found->text : nullptr;
  return found != nullptr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuDeviceGetCount(int* count) {
  if (!is_initialized) return CUDA_ERROR_NOT_INITIALIZED;
  *count = static_cast<int>(muster::stand_in::VisibleGpus().size());
  return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  if (!is_initialized) return CUDA_ERROR_NOT_INITIALIZED;
  const std::vector<int> visible = muster::stand_in::VisibleGpus();
  if (ordinal < 0 || ordinal >= static_cast<int>(visible.size())) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  *device = visible[static_cast<size_t>(ordinal)];
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  if (!is_initialized) return CUDA_ERROR_NOT_INITIALIZED;
  static CUctx_st primary;
  primary.gpu = device;
  *context = &primary;
  return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext context) {
  current = context;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice(CUdevice* device) {
  if (current == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
  *device = current->gpu;
  return CUDA_SUCCESS;
}

CUresult cuStreamCreate(CUstream* stream, unsigned int /*flags*/) {
  if (current == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
  *stream = new CUstream_st;
  return CUDA_SUCCESS;
}

CUresult cuStreamQuery(CUstream stream) {
  return stream->idle() ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

CUresult cuMemGetInfo_v2(size_t* free, size_t* total) {
  *total = MemoryBytes();
  *free = *total - used;
  return CUDA_SUCCESS;
}

CUresult cuMemAlloc_v2(CUdeviceptr* pointer, size_t bytes) {
  if (current == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
  if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  if (const Fault* fault = Faults::Get().OfGpu("cuda")) {
    return static_cast<CUresult>(static_cast<int>(fault->Number(2)));
  }
  if (used + bytes > MemoryBytes()) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  auto* memory = static_cast<char*>(malloc(bytes + kHead));
  if (memory == nullptr) return CUDA_ERROR_OUT_OF_MEMORY;
  memcpy(memory, &bytes, sizeof bytes);
  used += bytes;
  *pointer = reinterpret_cast<CUdeviceptr>(memory + kHead);
  return CUDA_SUCCESS;
}

CUresult cuMemFree_v2(CUdeviceptr pointer) {
  if (pointer == 0) return CUDA_SUCCESS;
  char* memory = static_cast<char*>(At(pointer)) - kHead;
  size_t bytes = 0;
  memcpy(&bytes, memory, sizeof bytes);
  used -= bytes;
  free(memory);
  return CUDA_SUCCESS;
}

CUresult cuMemHostAlloc(void** pointer, size_t bytes, unsigned int /*flags*/) {
  *pointer = malloc(bytes);
  return *pointer != nullptr ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t bytes,
                              CUstream stream) {
  stream->Put([=] { memcpy(At(to), from, bytes); });
  return CUDA_SUCCESS;
}

CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t bytes,
                              CUstream stream) {
  stream->Put([=] { memcpy(to, At(from), bytes); });
  return CUDA_SUCCESS;
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes,
                              CUstream stream) {
  stream->Put([=] { CopyWithin(At(to), At(from), bytes); });
  return CUDA_SUCCESS;
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char byte, size_t bytes,
                         CUstream stream) {
  stream->Put([=] { memset(At(to), byte, bytes); });
  return CUDA_SUCCESS;
}

CUresult cuEventCreate(CUevent* event, unsigned int /*flags*/) {
  *event = new CUevent_st;
  return CUDA_SUCCESS;
}

CUresult cuEventRecord(CUevent event, CUstream stream) {
  stream->Put([=] { event->at = Clock::now(); });
  return CUDA_SUCCESS;
}

CUresult cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) {
  *milliseconds =
      std::chrono::duration<float, std::milli>(end->at - start->at).count();
  return CUDA_SUCCESS;
}

CUresult cuLaunchHostFunc(CUstream stream, CUhostFn function, void* data) {
  stream->Put([=] { function(data); });
  return CUDA_SUCCESS;
}

}  // extern "C"
