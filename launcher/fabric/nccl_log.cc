#include "launcher/fabric/nccl_log.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace muster::fabric {
namespace {

using absl::string_view;

// What a log that repeats itself, or lies, can make us hold.
constexpr size_t kMaxNics = 64;
constexpr size_t kMaxTransports = 256;
constexpr size_t kMaxInits = 256;
constexpr size_t kMaxReasons = 8;
constexpr size_t kFirstWarnings = 16;
constexpr size_t kLastWarnings = 16;
constexpr size_t kMaxText = 1024;

// What stands before `mark`; the rest of `text` remains. False without it.
bool CutUpTo(string_view mark, string_view* text, string_view* before) {
  const size_t at = text->find(mark);
  if (at == string_view::npos) return false;
  *before = text->substr(0, at);
  text->remove_prefix(at + mark.size());
  return true;
}

bool SkipPast(string_view mark, string_view* text) {
  string_view before;
  return CutUpTo(mark, text, &before);
}

string_view FirstWord(string_view text) {
  return text.substr(0, text.find_first_of(" \t"));
}

void AddNic(string_view name, string_view layer, std::vector<NcclNic>* nics) {
  if (name.empty() || nics->size() >= kMaxNics) return;
  NcclNic nic{std::string(name), std::string(layer)};
  if (std::find(nics->begin(), nics->end(), nic) == nics->end()) {
    nics->push_back(std::move(nic));
  }
}

// "[0]mlx5_0:1/RoCE [1]mlx5_1:1/IB/SHARP [RO]; OOB eth0:10.0.0.1<0>"
void ReadHcas(string_view list, std::vector<NcclNic>* nics) {
  list = list.substr(0, list.find(';'));
  for (string_view entry : absl::StrSplit(list, ' ', absl::SkipEmpty())) {
    string_view index;
    string_view name;
    if (!CutUpTo("]", &entry, &index) || !CutUpTo(":", &entry, &name)) continue;
    string_view port;
    if (!CutUpTo("/", &entry, &port)) continue;
    AddNic(name, entry.substr(0, entry.find('/')), nics);
  }
}

// "[0]eth0:10.0.0.1<0> [1]eth1:fe80::1%eth1<0>"
void ReadInterfaces(string_view list, std::vector<NcclNic>* nics) {
  for (string_view entry : absl::StrSplit(list, ' ', absl::SkipEmpty())) {
    string_view index;
    string_view name;
    if (!CutUpTo("]", &entry, &index) || !CutUpTo(":", &entry, &name)) continue;
    const size_t end = entry.find('<');
    if (end != string_view::npos) AddNic(name, entry.substr(0, end), nics);
  }
}

// "rank 0 nranks 2 total 1.08 (kernels 0.51, alloc 0.30, rest 0.01)"
bool ReadTimings(string_view text, NcclInitTimings* timings) {
  string_view value;
  if (!SkipPast("rank ", &text) || !CutUpTo(" nranks ", &text, &value) ||
      !absl::SimpleAtoi(value, &timings->rank) ||
      !CutUpTo(" total ", &text, &value) ||
      !absl::SimpleAtoi(value, &timings->ranks) ||
      !CutUpTo(" (", &text, &value) ||
      !absl::SimpleAtod(value, &timings->total)) {
    return false;
  }
  string_view parts;
  if (!CutUpTo(")", &text, &parts)) return false;
  for (const string_view part : absl::StrSplit(parts, ", ")) {
    const std::pair<string_view, string_view> split =
        absl::StrSplit(part, absl::MaxSplits(' ', 1));
    double seconds = 0;
    if (!absl::SimpleAtod(split.second, &seconds)) return false;
    timings->parts[std::string(split.first)] = seconds;
  }
  return true;
}

// "NCCL_NET set by environment to Socket" and the like, of that name: what it
// is set to; "" for any other line.
string_view SettingOf(string_view name, string_view text) {
  if (!absl::ConsumePrefix(&text, name)) return "";
  if (!absl::ConsumePrefix(&text, " set by environment to ")) return "";
  return absl::StripSuffix(text, ".");
}

// Whether the line may be why NCCL does without InfiniBand and RoCE.
bool IsAgainstRdma(string_view text) {
  const string_view disabled = SettingOf("NCCL_IB_DISABLE", text);
  return absl::StartsWith(text, "Failed to open libibverbs") ||
         absl::StartsWith(text, "NET/IB : No device found") ||
         absl::StartsWith(text, "NET/IB : No IP interface found") ||
         absl::StartsWith(text, "NET/IB : Unable to open device") ||
         absl::StartsWith(text, "NCCL_IB_HCA set to ") ||
         (!disabled.empty() && disabled != "0") ||
         SettingOf("NCCL_NET", text) == "Socket";
}

class Reader {
 public:
  void ReadLine(string_view line) {
    line = absl::StripSuffix(line, "\r");
    string_view before;
    if (CutUpTo("NCCL WARN ", &line, &before)) {
      ReadWarning(line);
      return;
    }
    // A line of its own, or said like the others.
    string_view version = line;
    if (SkipPast("NCCL version ", &version) && !version.empty() &&
        absl::ascii_isdigit(static_cast<unsigned char>(version[0]))) {
      log_.version = std::string(FirstWord(version).substr(0, kMaxText));
    }
    if (CutUpTo("NCCL INFO ", &line, &before)) ReadInfo(line);
  }

  NcclLog Finish() {
    const bool socket = UsesSockets(log_);
    log_.nics = socket ? std::move(interfaces_) : std::move(hcas_);
    log_.warnings = std::move(first_warnings_);
    log_.warnings.insert(log_.warnings.end(), last_warnings_.begin(),
                         last_warnings_.end());
    return std::move(log_);
  }

 private:
  void ReadWarning(string_view text) {
    std::string warning(absl::StripAsciiWhitespace(text.substr(0, kMaxText)));
    if (warning.empty()) return;
    ReadReasons(warning);
    if (first_warnings_.size() < kFirstWarnings) {
      first_warnings_.push_back(std::move(warning));
      return;
    }
    if (last_warnings_.size() == kLastWarnings) {
      last_warnings_.erase(last_warnings_.begin());
    }
    last_warnings_.push_back(std::move(warning));
  }

  void ReadInfo(string_view text) {
    text = absl::StripAsciiWhitespace(text);
    ReadReasons(text);
    if (absl::ConsumePrefix(&text, "Using network ")) {
      log_.network = std::string(text.substr(0, kMaxText));
    } else if (absl::StartsWith(text, "NET/IB")) {
      ReadInfiniband(text);
    } else if (absl::ConsumePrefix(&text, "NET/Socket : Using") ||
               absl::ConsumePrefix(&text, "NET/Socket: Using")) {
      ReadInterfaces(text, &interfaces_);
    } else if (absl::StartsWith(text, "Channel ") ||
               absl::StartsWith(text, "CollNet ")) {
      if (SkipPast(" via ", &text)) ReadTransport(text);
    } else if (absl::ConsumePrefix(&text, "NVLS multicast support is ")) {
      const bool available = absl::StartsWith(text, "available");
      Combine(available, &log_.nvls);
      if (!available) WithoutNvls("NVLS multicast support is not available");
    } else if (absl::ConsumePrefix(&text, "Init timings")) {
      NcclInitTimings timings;
      if (log_.inits.size() < kMaxInits && ReadTimings(text, &timings)) {
        log_.inits.push_back(std::move(timings));
      }
    }
    ReadGpuDirect(text);
  }

  // As information or as a warning.
  void ReadReasons(string_view text) {
    if (IsAgainstRdma(text) && log_.no_rdma.size() < kMaxReasons) {
      std::string reason(absl::StripSuffix(text.substr(0, kMaxText), "."));
      if (std::find(log_.no_rdma.begin(), log_.no_rdma.end(), reason) ==
          log_.no_rdma.end()) {
        log_.no_rdma.push_back(std::move(reason));
      }
    }
    if (absl::StartsWith(text, "Failed to bind NVLink SHARP")) {
      log_.nvls = false;
      WithoutNvls(text);
    } else if (SettingOf("NCCL_NVLS_ENABLE", text) == "0") {
      log_.nvls = false;
      log_.nvls_off = true;
      log_.no_nvls = "NCCL_NVLS_ENABLE set by environment to 0";
    }
  }

  // The first reason counts; the job's wish beats all.
  void WithoutNvls(string_view why) {
    if (log_.no_nvls.empty())
      log_.no_nvls = std::string(why.substr(0, kMaxText));
  }

  void ReadInfiniband(string_view text) {
    if (absl::StrContains(text, "No device found")) {
      log_.no_infiniband = true;
    } else if (absl::ConsumePrefix(&text, "NET/IB : Using") ||
               absl::ConsumePrefix(&text, "NET/IB: Using")) {
      ReadHcas(text, &hcas_);
    }
  }

  void ReadTransport(string_view text) {
    const std::string transport(absl::StartsWith(text, "P2P/direct pointer")
                                    ? string_view("P2P/direct pointer")
                                    : FirstWord(text).substr(0, kMaxText));
    if (log_.transports.size() < kMaxTransports ||
        log_.transports.contains(transport)) {
      ++log_.transports[transport];
    }
  }

  // "NET/IB : GPU Direct RDMA Enabled for HCA 0 'mlx5_0'", and by distance:
  // "GPU Direct RDMA Disabled for GPU 0 / HCA 1 (distance 8 > 5)".
  void ReadGpuDirect(string_view text) {
    if (!SkipPast("GPU Direct RDMA ", &text)) return;
    if (absl::StartsWith(text, "Enabled for HCA")) {
      Combine(true, &log_.gpu_direct);
    } else if (absl::StartsWith(text, "Disabled for HCA")) {
      Combine(false, &log_.gpu_direct);
    }
  }

  static void Combine(bool yes, std::optional<bool>* all) {
    *all = all->value_or(true) && yes;
  }

  NcclLog log_;
  std::vector<NcclNic> hcas_;
  std::vector<NcclNic> interfaces_;
  std::vector<std::string> first_warnings_;
  std::vector<std::string> last_warnings_;
};

// What each part of an initialisation waits for, and what to do about it.
struct Part {
  string_view name;
  string_view hint;
};
constexpr Part kParts[] = {
    {"kernels",
     "loading the GPU code; turn on persistence mode (nvidia-smi -pm 1) and "
     "see "
     "that no other program holds the driver"},
    {"alloc",
     "allocating GPU and pinned memory; look for other programs on the "
     "GPU and for swapping"},
    {"bootstrap",
     "finding the other ranks over TCP; look at the interface that "
     "NCCL_SOCKET_IFNAME names, or at a rank that started late"},
    {"allgathers",
     "exchanging addresses over TCP; look at the interface that "
     "NCCL_SOCKET_IFNAME names"},
    {"topo", "reading the topology; look for slow NVML or sysfs"},
    {"graphs", "searching for rings and trees"},
    {"connections", "connecting the channels; look at the NICs"},
};

}  // namespace

NcclLog ParseNcclLog(string_view text) {
  // A line that is being written may look like another one.
  text = text.substr(0, text.rfind('\n') + 1);
  Reader reader;
  for (const string_view line : absl::StrSplit(text, '\n')) {
    reader.ReadLine(line);
  }
  return reader.Finish();
}

bool UsesSockets(const NcclLog& log) {
  bool any_net = false;
  for (const auto& [transport, count] : log.transports) {
    if (absl::StartsWith(transport, "NET/Socket")) return true;
    any_net = any_net || absl::StartsWith(transport, "NET/");
  }
  return !any_net && log.network == "Socket";
}

std::string SlowInitText(const NcclInitTimings& timings) {
  for (const Part& part : kParts) {
    const auto found = timings.parts.find(std::string(part.name));
    if (found == timings.parts.end()) continue;
    const double seconds = found->second;
    if (seconds <= 0 || seconds < timings.total / 2) continue;
    return absl::StrFormat("%.1f s of %.1f s in %s: %s", seconds, timings.total,
                           part.name, part.hint);
  }
  return "";
}

}  // namespace muster::fabric
