#include "tests/support/fabric_stand_ins/faults.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace muster::stand_in {
namespace {

constexpr std::string_view kKinds[] = {
    "wrong",     "slow",  "hang-init",      "hang-run",   "error",
    "error-run", "crash", "missing-symbol", "version",    "fewer-gpus",
    "sockets",   "cuda",  "driver",         "nvlink-off", "processes",
    "recovery",  "ecc",   "stays"};

bool Fail(std::string* why, std::string_view part, const char* what) {
  *why = "MUSTER_FAULT: " + std::string(part) + ": " + what;
  return false;
}

bool ParseOne(std::string_view part, Fault* fault, std::string* why) {
  const size_t at = part.find('@');
  if (at == std::string_view::npos) {
    return Fail(why, part, "is not KIND@TARGET[:VALUE]");
  }
  fault->kind = part.substr(0, at);
  if (std::find(std::begin(kKinds), std::end(kKinds), fault->kind) ==
      std::end(kKinds)) {
    return Fail(why, part, "there is no such kind");
  }
  const std::string_view rest = part.substr(at + 1);
  const size_t colon = rest.find(':');
  fault->target = rest.substr(0, colon);
  if (fault->target.empty()) return Fail(why, part, "has no target");
  if (colon != std::string_view::npos) fault->value = rest.substr(colon + 1);
  return true;
}

// The names of a member that a target may use. Names have dashes in them, so
// targets are never taken apart.
std::vector<std::string> NamesOf(const Member& member) {
  std::vector<std::string> names = {member.host};
  if (!member.gpu.empty()) names.push_back(member.Text());
  return names;
}

Member SelfFromEnvironment() {
  const char* text = getenv("MUSTER_PROBE");
  if (text != nullptr) return Member::Parse(text);
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  return {host, "0"};
}

std::vector<Fault> FaultsFromEnvironment() {
  const char* text = getenv("MUSTER_FAULT");
  std::string why;
  auto faults = ParseFaults(text != nullptr ? text : "", &why);
  if (!faults) {
    fprintf(stderr, "%s\n", why.c_str());
    _exit(99);
  }
  return *std::move(faults);
}

}  // namespace

Member Member::Parse(std::string_view text) {
  const size_t slash = text.rfind('/');
  if (slash == std::string_view::npos) return {std::string(text), ""};
  return {std::string(text.substr(0, slash)),
          std::string(text.substr(slash + 1))};
}

double Fault::Number(double otherwise) const {
  char* end = nullptr;
  const double number = strtod(value.c_str(), &end);
  return end != value.c_str() ? number : otherwise;
}

bool Fault::HitsGpu(const Member& member) const {
  const std::vector<std::string> names = NamesOf(member);
  return std::find(names.begin(), names.end(), target) != names.end();
}

bool Fault::HitsLink(const Member& a, const Member& b) const {
  for (const std::string& one : NamesOf(a)) {
    for (const std::string& other : NamesOf(b)) {
      if (target == one + "-" + other || target == other + "-" + one) {
        return true;
      }
      if (a.host != b.host &&
          (target == one + "-*" || target == other + "-*")) {
        return true;
      }
    }
  }
  return false;
}

std::optional<std::vector<Fault>> ParseFaults(std::string_view text,
                                              std::string* why) {
  std::vector<Fault> faults;
  while (!text.empty()) {
    const size_t end = std::min(text.find(';'), text.size());
    if (end > 0) {
      Fault fault;
      if (!ParseOne(text.substr(0, end), &fault, why)) return std::nullopt;
      faults.push_back(std::move(fault));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return faults;
}

const Faults& Faults::Get() {
  static const auto* const faults =
      new Faults(FaultsFromEnvironment(), SelfFromEnvironment());
  return *faults;
}

const Fault* Faults::OfGpu(std::string_view kind) const {
  for (const Fault& fault : faults_) {
    if (fault.kind == kind && fault.HitsGpu(self_)) return &fault;
  }
  return nullptr;
}

std::vector<Fault> Faults::AllOfGpu(std::string_view kind) const {
  std::vector<Fault> all;
  for (const Fault& fault : faults_) {
    if (fault.kind == kind && fault.HitsGpu(self_)) all.push_back(fault);
  }
  return all;
}

const Fault* Faults::OfLink(std::string_view kind, const Member& peer) const {
  for (const Fault& fault : faults_) {
    if (fault.kind == kind && fault.HitsLink(self_, peer)) return &fault;
  }
  return nullptr;
}

void Faults::MayCrash(std::string_view place) const {
  const Fault* fault = OfGpu("crash");
  if (fault == nullptr) return;
  if ((fault->value.empty() ? "run" : fault->value) != place) return;
  signal(SIGSEGV, SIG_DFL);
  raise(SIGSEGV);
}

}  // namespace muster::stand_in
