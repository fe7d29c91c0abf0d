#include "launcher/fabric/nccl/driver.h"

#include <cuda.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "launcher/fabric/nccl/shared_library.h"

namespace muster::fabric {
namespace {

// cuda.h renames functions to their latest versions; drivers keep the older
// ones. These names are of CUDA 11 at the latest, and so are their signatures.
struct DriverFunctions {
  decltype(cuInit)* init = nullptr;
  CUresult (*error_name)(CUresult, const char**) = nullptr;
  CUresult (*error_string)(CUresult, const char**) = nullptr;
  CUresult (*device_get)(CUdevice*, int) = nullptr;
  CUresult (*primary_context_retain)(CUcontext*, CUdevice) = nullptr;
  CUresult (*set_current)(CUcontext) = nullptr;
  CUresult (*stream_create)(CUstream*, unsigned int) = nullptr;
  CUresult (*stream_query)(CUstream) = nullptr;
  CUresult (*memory_info)(size_t*, size_t*) = nullptr;
  CUresult (*allocate)(CUdeviceptr*, size_t) = nullptr;
  CUresult (*free)(CUdeviceptr) = nullptr;
  CUresult (*allocate_host)(void**, size_t, unsigned int) = nullptr;
  CUresult (*copy_in)(CUdeviceptr, const void*, size_t, CUstream) = nullptr;
  CUresult (*copy_out)(void*, CUdeviceptr, size_t, CUstream) = nullptr;
  CUresult (*copy_within)(CUdeviceptr, CUdeviceptr, size_t, CUstream) = nullptr;
  CUresult (*fill)(CUdeviceptr, unsigned char, size_t, CUstream) = nullptr;
  CUresult (*event_create)(CUevent*, unsigned int) = nullptr;
  CUresult (*event_record)(CUevent, CUstream) = nullptr;
  CUresult (*event_elapsed)(float*, CUevent, CUevent) = nullptr;
};

absl::Status LoadFunctions(const SharedLibrary& library,
                           DriverFunctions* into) {
  absl::Status status;
  status.Update(library.Load("cuInit", &into->init));
  status.Update(library.Load("cuGetErrorName", &into->error_name));
  status.Update(library.Load("cuGetErrorString", &into->error_string));
  status.Update(library.Load("cuDeviceGet", &into->device_get));
  status.Update(
      library.Load("cuDevicePrimaryCtxRetain", &into->primary_context_retain));
  status.Update(library.Load("cuCtxSetCurrent", &into->set_current));
  status.Update(library.Load("cuStreamCreate", &into->stream_create));
  status.Update(library.Load("cuStreamQuery", &into->stream_query));
  status.Update(library.Load("cuMemGetInfo_v2", &into->memory_info));
  status.Update(library.Load("cuMemAlloc_v2", &into->allocate));
  status.Update(library.Load("cuMemFree_v2", &into->free));
  status.Update(library.Load("cuMemHostAlloc", &into->allocate_host));
  status.Update(library.Load("cuMemcpyHtoDAsync_v2", &into->copy_in));
  status.Update(library.Load("cuMemcpyDtoHAsync_v2", &into->copy_out));
  status.Update(library.Load("cuMemcpyDtoDAsync_v2", &into->copy_within));
  status.Update(library.Load("cuMemsetD8Async", &into->fill));
  status.Update(library.Load("cuEventCreate", &into->event_create));
  status.Update(library.Load("cuEventRecord", &into->event_record));
  status.Update(library.Load("cuEventElapsedTime", &into->event_elapsed));
  return status;
}

// After these the context, or the GPU, is of no more use to this process.
bool IsFinal(CUresult result) {
  switch (result) {
    case CUDA_ERROR_ECC_UNCORRECTABLE:
    case CUDA_ERROR_NVLINK_UNCORRECTABLE:
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_CONTEXT_IS_DESTROYED:
    case CUDA_ERROR_ASSERT:
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case CUDA_ERROR_INVALID_PC:
    case CUDA_ERROR_LAUNCH_FAILED:
    case CUDA_ERROR_DEVICE_UNAVAILABLE:
    case CUDA_ERROR_SYSTEM_NOT_READY:
    case CUDA_ERROR_UNKNOWN:
      return true;
    default:
      return false;
  }
}

CUdeviceptr Pointer(DeviceRuntime::Address address) {
  return reinterpret_cast<CUdeviceptr>(address);
}

class CudaDriver : public DeviceRuntime {
 public:
  absl::Status Open(const SharedLibrary& library) {
    if (absl::Status status = LoadFunctions(library, &call_); !status.ok()) {
      return status;
    }
    CUdevice device = 0;
    CUcontext context = nullptr;
    absl::Status status = Check("cuInit", call_.init(0));
    if (status.ok()) {
      status = Check("cuDeviceGet", call_.device_get(&device, 0));
    }
    if (status.ok()) {
      status = Check("cuDevicePrimaryCtxRetain",
                     call_.primary_context_retain(&context, device));
    }
    if (status.ok()) {
      status = Check("cuCtxSetCurrent", call_.set_current(context));
    }
    if (status.ok()) {
      status = Check("cuStreamCreate",
                     call_.stream_create(&stream_, CU_STREAM_NON_BLOCKING));
    }
    for (CUevent* event : {&start_, &end_}) {
      if (!status.ok()) break;
      status =
          Check("cuEventCreate", call_.event_create(event, CU_EVENT_DEFAULT));
    }
    return status;
  }

  absl::StatusOr<Memory> GetMemory() override {
    Memory memory;
    absl::Status status =
        Check("cuMemGetInfo", call_.memory_info(&memory.free, &memory.total));
    if (!status.ok()) return status;
    return memory;
  }

  absl::StatusOr<Address> Allocate(size_t bytes) override {
    CUdeviceptr pointer = 0;
    absl::Status status = Check(absl::StrCat("cuMemAlloc of ", bytes, " bytes"),
                                call_.allocate(&pointer, bytes));
    if (!status.ok()) return status;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): so the driver gives them
    return reinterpret_cast<Address>(pointer);
  }

  void Free(Address address) override {
    Check("cuMemFree", call_.free(Pointer(address))).IgnoreError();
  }

  absl::StatusOr<void*> AllocateHost(size_t bytes) override {
    void* pointer = nullptr;
    absl::Status status =
        Check("cuMemHostAlloc",
              call_.allocate_host(&pointer, bytes, CU_MEMHOSTALLOC_PORTABLE));
    if (!status.ok()) return status;
    return pointer;
  }

  absl::Status CopyIn(Address to, const void* from, size_t bytes) override {
    return Check("cuMemcpyHtoDAsync",
                 call_.copy_in(Pointer(to), from, bytes, stream_));
  }
  absl::Status CopyOut(void* to, Address from, size_t bytes) override {
    return Check("cuMemcpyDtoHAsync",
                 call_.copy_out(to, Pointer(from), bytes, stream_));
  }
  absl::Status CopyWithin(Address to, Address from, size_t bytes) override {
    return Check("cuMemcpyDtoDAsync",
                 call_.copy_within(Pointer(to), Pointer(from), bytes, stream_));
  }
  absl::Status Fill(Address to, unsigned char byte, size_t bytes) override {
    return Check("cuMemsetD8Async",
                 call_.fill(Pointer(to), byte, bytes, stream_));
  }

  absl::StatusOr<bool> IsIdle() override {
    const CUresult result = call_.stream_query(stream_);
    if (result == CUDA_ERROR_NOT_READY) return false;
    if (absl::Status status = Check("cuStreamQuery", result); !status.ok()) {
      return status;
    }
    return true;
  }
  void* stream() override { return stream_; }

  absl::Status MarkStart() override {
    return Check("cuEventRecord", call_.event_record(start_, stream_));
  }
  absl::Status MarkEnd() override {
    return Check("cuEventRecord", call_.event_record(end_, stream_));
  }
  absl::StatusOr<double> MarkedSeconds() override {
    float milliseconds = 0;
    absl::Status status = Check(
        "cuEventElapsedTime", call_.event_elapsed(&milliseconds, start_, end_));
    if (!status.ok()) return status;
    return static_cast<double>(milliseconds) / 1e3;
  }

  bool lost() const override { return lost_; }

 private:
  absl::Status Check(const std::string& what, CUresult result) {
    if (result == CUDA_SUCCESS) return absl::OkStatus();
    lost_ = lost_ || IsFinal(result);
    const char* name = nullptr;
    const char* meaning = nullptr;
    call_.error_name(result, &name);
    call_.error_string(result, &meaning);
    return absl::InternalError(
        absl::StrCat(what, ": ", name != nullptr ? name : "error ", " (",
                     static_cast<int>(result), ")",
                     meaning != nullptr ? absl::StrCat(": ", meaning) : ""));
  }

  DriverFunctions call_;
  CUstream stream_ = nullptr;
  CUevent start_ = nullptr;
  CUevent end_ = nullptr;
  bool lost_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<DeviceRuntime>> OpenCudaDriver(
    const std::string& library) {
  absl::StatusOr<SharedLibrary> loaded = SharedLibrary::Open(library);
  if (!loaded.ok()) return loaded.status();
  auto driver = std::make_unique<CudaDriver>();
  if (absl::Status status = driver->Open(*loaded); !status.ok()) return status;
  return driver;
}

}  // namespace muster::fabric
