// The pretended GPUs of this process' host.
#ifndef MUSTER_TESTS_SUPPORT_FABRIC_STAND_INS_MACHINE_H_
#define MUSTER_TESTS_SUPPORT_FABRIC_STAND_INS_MACHINE_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/fabric_stand_ins/faults.h"

namespace muster::stand_in {

inline constexpr size_t kMemoryBytes = size_t{80} << 30;

// How many it has, and the index of one.
int CountGpus();

// 16 bytes that depend on the host's name and the index.
std::array<unsigned char, 16> Uuid(int gpu);
std::string UuidText(int gpu);  // "GPU-xxxxxxxx-xxxx-..."

// Of the GPU's PCI address.
unsigned int PciBus(int gpu);
std::string PciText(int gpu);  // "00000000:1B:00.0"

// The GPUs that CUDA_VISIBLE_DEVICES leaves, by index or UUID.
std::vector<int> VisibleGpus();

// How long at least a copy or a reduction of so many bytes takes, with a fault
// or null. By what it should take, and not by what it does: a machine that is
// busy is not slow by that factor.
std::chrono::nanoseconds LeastTime(size_t bytes, const Fault* slow);

uint64_t Hash(const std::string& text);

// Has the library that `address` is in look to dlsym as if it lacked the
// symbols that faults of "missing-symbol" name.
void HideMissingSymbols(const void* address);

}  // namespace muster::stand_in

#endif  // MUSTER_TESTS_SUPPORT_FABRIC_STAND_INS_MACHINE_H_
