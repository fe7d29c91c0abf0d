#include "rendezvous/agreement.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace muster::rendezvous {
namespace {

std::string NodeCount(const Agreement& a) {
  if (a.min_nodes() == a.max_nodes()) return absl::StrCat(a.max_nodes());
  return absl::StrCat(a.min_nodes(), ":", a.max_nodes());
}

std::string NumberOrUnset(uint32_t count) {
  return count == 0 ? "not set" : absl::StrCat(count);
}

std::string Command(const Agreement& a) {
  return absl::StrCat("'", absl::CHexEscape(absl::StrJoin(a.command(), " ")),
                      "'");
}

std::string Text(const std::string& value) {
  return value.empty() ? "not set" : absl::StrCat("'", value, "'");
}

std::string KindName(FabricKind kind) {
  const std::string name = FabricKind_Name(kind);
  return absl::AsciiStrToLower(name.substr(name.find('_') + 1));
}

// What differs from the defaults, as flags.
std::string FabricText(const FabricSettings& settings) {
  std::vector<std::string> flags;
  const auto add = [&](const char* flag, auto value) {
    if (value != decltype(value){}) {
      flags.push_back(absl::StrCat(flag, " ", value));
    }
  };
  add("--size", settings.bytes());
  add("--rounds", settings.rounds());
  add("--limit-local", settings.limit_local());
  add("--limit-network", settings.limit_network());
  add("--fabric-timeout", settings.timeout_ms());
  if (settings.exhaustive()) flags.push_back("--exhaustive");
  if (settings.strict()) flags.push_back("--strict");
  if (settings.only()) flags.push_back("muster check");
  return Text(absl::StrJoin(flags, " "));
}

}  // namespace

std::string FrameworkName(const Agreement& agreement) {
  const std::string name = Framework_Name(agreement.framework());
  return absl::AsciiStrToLower(name.substr(name.find('_') + 1));
}

std::vector<std::string> Differences(const Agreement& theirs,
                                     const std::string& their_host,
                                     const Agreement& ours,
                                     const std::string& our_host) {
  std::vector<std::string> out;
  const auto compare = [&](const char* name, const std::string& their_value,
                           const std::string& our_value) {
    if (their_value == our_value) return;
    out.push_back(absl::StrCat(name, " is ", their_value, " on ", their_host,
                               " and ", our_value, " on ", our_host));
  };
  compare("the muster version", Text(theirs.muster_version()),
          Text(ours.muster_version()));
  compare("--rdzv-id", Text(theirs.job_id()), Text(ours.job_id()));
  compare("--nnodes", NodeCount(theirs), NodeCount(ours));
  compare("--framework", FrameworkName(theirs), FrameworkName(ours));
  compare("--backend", Text(theirs.backend()), Text(ours.backend()));
  compare("--init-method", Text(theirs.init_method()),
          Text(ours.init_method()));
  compare("--worker-count", NumberOrUnset(theirs.tasks().workers()),
          NumberOrUnset(ours.tasks().workers()));
  compare("--parameter-server-count",
          NumberOrUnset(theirs.tasks().parameter_servers()),
          NumberOrUnset(ours.tasks().parameter_servers()));
  compare("--chief", theirs.tasks().chief() ? "on" : "off",
          ours.tasks().chief() ? "on" : "off");
  compare("--evaluator", theirs.tasks().evaluator() ? "on" : "off",
          ours.tasks().evaluator() ? "on" : "off");
  compare("--base-port", NumberOrUnset(theirs.tasks().base_port()),
          NumberOrUnset(ours.tasks().base_port()));
  compare("--mpi-arg", Text(absl::StrJoin(theirs.mpi_arguments(), " ")),
          Text(absl::StrJoin(ours.mpi_arguments(), " ")));
  compare("--fabric-check", KindName(theirs.fabric().kind()),
          KindName(ours.fabric().kind()));
  compare("the self-test's settings", FabricText(theirs.fabric()),
          FabricText(ours.fabric()));
  const std::vector<std::string> their_argv(theirs.command().begin(),
                                            theirs.command().end());
  const std::vector<std::string> our_argv(ours.command().begin(),
                                          ours.command().end());
  if (their_argv != our_argv) {
    compare("the command", Command(theirs), Command(ours));
  }
  return out;
}

}  // namespace muster::rendezvous
