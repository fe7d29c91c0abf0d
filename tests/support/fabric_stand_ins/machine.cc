#include "tests/support/fabric_stand_ins/machine.h"

#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/support/fabric_stand_ins/faults.h"

namespace muster::stand_in {
namespace {

constexpr int kGpus = 4;

// Makes a symbol undefined in a loaded library's own table, where dlsym looks.
void MakeUndefined(ElfW(Sym) * symbol) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t first = reinterpret_cast<uintptr_t>(symbol) & ~(page - 1);
  const uintptr_t end = reinterpret_cast<uintptr_t>(symbol + 1);
  if (mprotect(reinterpret_cast<void*>(first), end - first,
               PROT_READ | PROT_WRITE) != 0) {
    perror("mprotect");
    _exit(99);
  }
  symbol->st_value = 0;
  symbol->st_shndx = SHN_UNDEF;
}

void HideSymbol(const void* address, const std::string& symbol) {
  Dl_info info;
  link_map* map = nullptr;
  if (dladdr1(address, &info, reinterpret_cast<void**>(&map),
              RTLD_DL_LINKMAP) == 0) {
    return;
  }
  ElfW(Sym)* symbols = nullptr;
  const char* strings = nullptr;
  for (const ElfW(Dyn)* entry = map->l_ld; entry->d_tag != DT_NULL; ++entry) {
    if (entry->d_tag == DT_SYMTAB) {
      symbols = reinterpret_cast<ElfW(Sym)*>(entry->d_un.d_ptr);
    } else if (entry->d_tag == DT_STRTAB) {
      strings = reinterpret_cast<const char*>(entry->d_un.d_ptr);
    }
  }
  // The strings stand behind the symbols.
  for (ElfW(Sym)* one = symbols;
       one != nullptr && reinterpret_cast<const char*>(one) < strings; ++one) {
    if (symbol == strings + one->st_name) MakeUndefined(one);
  }
}

}  // namespace

uint64_t Hash(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return hash;
}

std::chrono::nanoseconds LeastTime(size_t bytes, const Fault* slow) {
  const char* text = getenv("STAND_IN_GBPS");
  const double gbps = text != nullptr ? atof(text) : 0;
  std::chrono::duration<double, std::nano> least{};
  if (gbps > 0) least = decltype(least)(static_cast<double>(bytes) / gbps);
  if (slow != nullptr) {
    least = std::max<decltype(least)>(least, std::chrono::microseconds(500)) *
            slow->Number(10);
  }
  return std::chrono::duration_cast<std::chrono::nanoseconds>(least);
}

int CountGpus() {
  const char* text = getenv("STAND_IN_GPUS");
  const int all = text != nullptr ? atoi(text) : kGpus;
  const Fault* fewer = Faults::Get().OfGpu("fewer-gpus");
  return fewer != nullptr ? static_cast<int>(fewer->Number(0)) : all;
}

std::array<unsigned char, 16> Uuid(int gpu) {
  std::array<unsigned char, 16> uuid;
  const std::string seed =
      Faults::Get().self().host + "/" + std::to_string(gpu);
  const uint64_t halves[2] = {Hash(seed), Hash(seed + "'")};
  memcpy(uuid.data(), halves, sizeof halves);
  return uuid;
}

std::string UuidText(int gpu) {
  std::string text = "GPU-";
  int at = 0;
  for (const unsigned char byte : Uuid(gpu)) {
    char hex[3];
    snprintf(hex, sizeof hex, "%02x", byte);
    if (at == 4 || at == 6 || at == 8 || at == 10) text += '-';
    text += hex;
    ++at;
  }
  return text;
}

unsigned int PciBus(int gpu) { return 0x1bu + static_cast<unsigned>(gpu); }

std::string PciText(int gpu) {
  char text[32];
  snprintf(text, sizeof text, "00000000:%02X:00.0", PciBus(gpu));
  return text;
}

std::vector<int> VisibleGpus() {
  const int count = CountGpus();
  std::vector<int> visible;
  const char* list = getenv("CUDA_VISIBLE_DEVICES");
  if (list == nullptr) {
    for (int gpu = 0; gpu < count; ++gpu) visible.push_back(gpu);
    return visible;
  }
  std::string_view rest = list;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(','), rest.size());
    const std::string entry(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    int found = -1;
    for (int gpu = 0; gpu < count; ++gpu) {
      if (entry == std::to_string(gpu) ||
          (entry.size() > 4 && UuidText(gpu).rfind(entry, 0) == 0)) {
        found = gpu;
      }
    }
    if (found < 0) break;
    visible.push_back(found);
  }
  return visible;
}

void HideMissingSymbols(const void* address) {
  for (const Fault& fault : Faults::Get().AllOfGpu("missing-symbol")) {
    HideSymbol(address, fault.value);
  }
}

}  // namespace muster::stand_in
