#include "launcher/fabric/nccl/log_part.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "launcher/fabric/nccl_log.h"

namespace muster::fabric {
namespace {

constexpr uint64_t kMost = 2 * 1024 * 1024;

// The last warnings tell what failed.
constexpr size_t kTail = 10;
// Seconds; what took less explains nothing.
constexpr double kWorthTelling = 0.1;

// "bootstrap 1.1 s, topo 0.6 s", the longest first.
std::string PartsText(const NcclInitTimings& timings) {
  std::vector<std::pair<double, std::string>> parts;
  for (const auto& [name, seconds] : timings.parts) {
    if (seconds >= kWorthTelling) parts.emplace_back(seconds, name);
  }
  std::sort(parts.rbegin(), parts.rend());
  return absl::StrJoin(parts, ", ", [](std::string* out, const auto& part) {
    absl::StrAppendFormat(out, "%s %.1f s", part.second, part.first);
  });
}

uint64_t SizeOf(const std::string& path) {
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

}  // namespace

LogPart::LogPart(std::string path) : path_(std::move(path)) {
  if (!path_.empty()) start_ = SizeOf(path_);
}

std::string LogPart::Read() const { return ReadFrom(start_); }

std::string LogPart::ReadAll() const { return ReadFrom(0); }

std::string LogPart::ReadFrom(uint64_t start) const {
  if (path_.empty()) return "";
  const uint64_t end = SizeOf(path_);
  // NCCL begins a file anew when it opens it.
  if (end < start) start = 0;
  const uint64_t size = std::min(end - start, kMost);
  std::string text(size, '\0');
  std::ifstream file(path_, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(end - size));
  file.read(text.data(), static_cast<std::streamsize>(size));
  text.resize(static_cast<size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return text;
}

void AddLogFacts(const std::string& text, SlotResult* result) {
  const NcclLog log = ParseNcclLog(text);
  if (result->has_failed()) {
    const size_t count = log.warnings.size();
    for (size_t i = count - std::min(count, kTail); i < count; ++i) {
      result->mutable_failed()->add_log_tail(log.warnings[i]);
    }
    result->mutable_failed()->set_network(log.network);
    return;
  }
  FabricMeasurement* measured = result->mutable_measured();
  bool over_network = false;
  for (const auto& [transport, channels] : log.transports) {
    measured->add_transports(transport);
    over_network = over_network || absl::StartsWith(transport, "NET/");
  }
  if (over_network) measured->set_network(log.network);
  if (!log.inits.empty()) {
    measured->set_connect_parts(PartsText(log.inits.back()));
  }
  if (log.nvls) {
    measured->set_nvls(*log.nvls ? FABRIC_NVLS_USABLE : FABRIC_NVLS_MISSING);
    measured->set_nvls_reason(log.no_nvls);
  }
}

void AddLogReasons(const std::string& text, SlotResult* result) {
  const NcclLog log = ParseNcclLog(text);
  const std::string reason = absl::StrJoin(log.no_rdma, "; ");
  if (result->has_failed()) {
    FabricFailure* failed = result->mutable_failed();
    if (failed->network() == "Socket") failed->set_network_reason(reason);
    return;
  }
  FabricMeasurement* measured = result->mutable_measured();
  if (measured->network() == "Socket") measured->set_network_reason(reason);
  // Without it NCCL says nothing more of it.
  if (log.nvls_off && !measured->transports().empty() &&
      measured->network().empty()) {
    measured->set_nvls(FABRIC_NVLS_OFF);
    measured->set_nvls_reason(log.no_nvls);
  }
}

}  // namespace muster::fabric
