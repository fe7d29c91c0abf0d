#include "env/hardware/nics.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace muster::env {
namespace {

namespace fs = std::filesystem;

constexpr char kInfinibandHardwareType[] = "32";  // ARPHRD_INFINIBAND

// "" when it cannot be read; reading `speed` fails where it is not known.
std::string FirstLine(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return std::string(absl::StripAsciiWhitespace(line));
}

bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// Digits compare as numbers.
bool NaturallyBefore(const std::string& a, const std::string& b) {
  size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (!absl::ascii_isdigit(a[i]) || !absl::ascii_isdigit(b[j])) {
      if (a[i] != b[j]) return a[i] < b[j];
      ++i, ++j;
      continue;
    }
    size_t a_end = i, b_end = j;
    while (a_end < a.size() && absl::ascii_isdigit(a[a_end])) ++a_end;
    while (b_end < b.size() && absl::ascii_isdigit(b[b_end])) ++b_end;
    uint64_t one = 0, other = 0;
    // A number that does not fit becomes the largest.
    (void)absl::SimpleAtoi(a.substr(i, a_end - i), &one);
    (void)absl::SimpleAtoi(b.substr(j, b_end - j), &other);
    if (one != other) return one < other;
    i = a_end, j = b_end;
  }
  return a.size() - i < b.size() - j;
}

std::vector<std::string> Names(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator at(directory, error), end;
  for (; !error && at != end; at.increment(error)) {
    names.push_back(at->path().filename().string());
  }
  std::sort(names.begin(), names.end(), NaturallyBefore);
  return names;
}

// "4: ACTIVE" without its number.
std::string State(const std::string& line) {
  const std::vector<std::string> parts =
      absl::StrSplit(line, absl::MaxSplits(": ", 1));
  return parts.back();
}

std::string LayerOf(const std::string& link_layer) {
  if (link_layer == "Ethernet") return "roce";
  return absl::AsciiStrToLower(link_layer);
}

Nic Port(std::string name, const fs::path& port) {
  Nic nic;
  nic.name = std::move(name);
  nic.layer = LayerOf(FirstLine(port / "link_layer"));
  nic.state = State(FirstLine(port / "state"));
  nic.active = nic.state == "ACTIVE";
  if (const std::string physical = State(FirstLine(port / "phys_state"));
      !physical.empty()) {
    absl::StrAppend(&nic.state, nic.state.empty() ? "" : ", ", physical);
  }
  // "400 Gb/sec (4X NDR)"; what a port that is down says is not its rate.
  const std::string rate = FirstLine(port / "rate");
  if (double gbps = 0;
      nic.active && absl::SimpleAtod(rate.substr(0, rate.find(' ')), &gbps)) {
    nic.gbps = gbps;
  }
  return nic;
}

// Hardware, or what bonds it.
bool IsPhysical(const fs::path& interface) {
  return Exists(interface / "device") || Exists(interface / "bonding");
}

bool KnowsItsSpeed(const fs::path& interface) {
  if (IsPhysical(interface)) return true;
  // A VLAN has its parent's.
  std::ifstream file(interface / "uevent");
  for (std::string line; std::getline(file, line);) {
    if (line == "DEVTYPE=vlan") return true;
  }
  return false;
}

double Gbps(const fs::path& interface) {
  int megabits = 0;
  if (!KnowsItsSpeed(interface) ||
      !absl::SimpleAtoi(FirstLine(interface / "speed"), &megabits) ||
      megabits <= 0) {
    return 0;
  }
  return megabits / 1000.0;
}

}  // namespace

std::vector<Nic> ListNics(const std::string& root) {
  std::vector<Nic> nics;
  const fs::path adapters = root + "/sys/class/infiniband";
  for (const std::string& name : Names(adapters)) {
    const fs::path ports = adapters / name / "ports";
    const std::vector<std::string> numbers = Names(ports);
    for (const std::string& number : numbers) {
      nics.push_back(Port(numbers.size() > 1 ? name + ":" + number : name,
                          ports / number));
    }
  }
  const fs::path interfaces = root + "/sys/class/net";
  for (const std::string& name : Names(interfaces)) {
    const fs::path interface = interfaces / name;
    if (!IsPhysical(interface)) continue;
    Nic nic;
    nic.name = name;
    nic.layer = FirstLine(interface / "type") == kInfinibandHardwareType
                    ? "infiniband"
                    : "ethernet";
    nic.state = FirstLine(interface / "operstate");
    nic.active = nic.state == "up";
    nic.gbps = Gbps(interface);
    nics.push_back(std::move(nic));
  }
  return nics;
}

double InterfaceGbps(absl::string_view name, const std::string& root) {
  return Gbps(fs::path(root + "/sys/class/net") / std::string(name));
}

}  // namespace muster::env
