#include "env/schedulers/kubernetes.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "env/schedulers/hosts.h"
#include "env/schedulers/number.h"

namespace muster::env {
namespace {

constexpr char kHostsFile[] = "/etc/hosts";
constexpr char kIndex[] = "JOB_COMPLETION_INDEX";

// This pod in its subdomain: "train-2" and "svc.default.svc.cluster.local".
struct PodName {
  std::string host;
  std::string domain;
};

std::optional<PodName> FindPodName(const Inputs& inputs) {
  const absl::StatusOr<std::string> file = inputs.files.Read(kHostsFile);
  if (!file.ok()) return std::nullopt;
  for (const absl::string_view line : absl::StrSplit(*file, '\n')) {
    const absl::string_view text = line.substr(0, line.find('#'));
    for (const absl::string_view word :
         absl::StrSplit(text, absl::ByAnyChar(" \t\r"), absl::SkipEmpty())) {
      const size_t dot = word.find('.');
      if (dot == absl::string_view::npos || !CheckHost(word).ok() ||
          IsNumericHost(std::string(word))) {
        continue;
      }
      for (const std::string& name : inputs.node.names) {
        if (word.substr(0, dot) == name) {
          return PodName{name, std::string(word.substr(dot + 1))};
        }
      }
    }
  }
  return std::nullopt;
}

// "<set>-<replicated job>" and the job's index, out of
// "<set>-<replicated job>-<job index>".
struct JobOfSet {
  std::string prefix;
  uint32_t index = 0;
};

std::optional<JobOfSet> FindJobOfSet(absl::string_view job,
                                     absl::string_view domain) {
  const absl::string_view set = domain.substr(0, domain.find('.'));
  const size_t dash = job.rfind('-');
  if (dash == absl::string_view::npos || dash <= set.size() + 1 ||
      !absl::StartsWith(job, absl::StrCat(set, "-"))) {
    return std::nullopt;
  }
  JobOfSet result{std::string(job.substr(0, dash)), 0};
  if (!ParseNumber(job.substr(dash + 1), &result.index)) return std::nullopt;
  return result;
}

}  // namespace

MaybeDiscovery DiscoverKubernetes(const Inputs& inputs) {
  Reading reading(inputs);
  const std::optional<Fact<uint32_t>> index = reading.Rank(kIndex);
  if (!reading.status().ok()) return reading.status();
  if (!index) return std::nullopt;
  Discovery found{"kubernetes", "Kubernetes"};
  found.node_rank = index;
  found.nodes_advice =
      "Kubernetes gives a pod its index and no count: give the number of pods "
      "(completions) with --nnodes or MUSTER_NNODES";
  const std::optional<PodName> pod = FindPodName(inputs);
  absl::string_view job = pod ? absl::string_view(pod->host) : "";
  if (!pod || !absl::ConsumeSuffix(&job, absl::StrCat("-", index->value))) {
    found.rendezvous_advice =
        "/etc/hosts does not name this pod in a subdomain: give the pods the "
        "subdomain of a headless Service, or name pod 0 here";
    return found;
  }
  const Evidence evidence{kHostsFile,
                          absl::StrCat(pod->host, ".", pod->domain)};
  if (const auto of_set = FindJobOfSet(job, pod->domain)) {
    found.title = "JobSet";
    found.rendezvous_host = {absl::StrCat(of_set->prefix, "-0-0.", pod->domain),
                             {evidence}};
    // Its rank is then that of its host name, behind job 0's pods.
    if (of_set->index > 0) found.node_rank.reset();
  } else {
    found.rendezvous_host = {absl::StrCat(job, "-0.", pod->domain), {evidence}};
  }
  return found;
}

}  // namespace muster::env
