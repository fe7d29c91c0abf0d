#include "launcher/learning.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "env/schedulers/discover.h"
#include "env/schedulers/host_file.h"
#include "env/schedulers/reading.h"
#include "launcher/endpoint.h"
#include "launcher/flags.h"
#include "launcher/text.h"

namespace muster::launcher {
namespace {

class NoFiles : public env::FileReader {
 public:
  absl::StatusOr<std::string> Read(const std::string& path) const override {
    return absl::NotFoundError(absl::StrCat(path, ": there are no files"));
  }
  std::vector<std::string> List(const std::string&) const override {
    return {};
  }
};

// Job: one spec, completed.
// Life cycle: made, Learn() once, thrown away. Threads: one. Ownership: all
// that it is given must outlive it.
class Learner {
 public:
  Learner(const Surroundings& surroundings,
          const std::map<std::string, std::string>& given, JobFacts* facts,
          JobSpec* spec)
      : surroundings_(surroundings),
        given_(given),
        facts_(*facts),
        spec_(*spec) {
    // The user's word first.
    node_.names = {spec_.host_name(), surroundings.host_name};
    if (!spec_.advertise().empty()) {
      node_.addresses.push_back(spec_.advertise());
    }
    node_.addresses.insert(node_.addresses.end(),
                           surroundings.addresses.begin(),
                           surroundings.addresses.end());
  }

  Learnt Learn() {
    if (!spec_.host_file().empty()) LearnFromFile();
    if (spec_.scheduler() != "none" && facts_.unread.count("scheduler") == 0) {
      LearnFromScheduler();
    }
    return std::move(learnt_);
  }

 private:
  const env::FileReader& Files() const {
    return surroundings_.files == nullptr ? no_files_ : *surroundings_.files;
  }

  bool Has(const char* flag) const {
    return given_.count(flag) > 0 || learnt_.sources.count(flag) > 0;
  }

  void Mistake(absl::string_view text) {
    learnt_.mistakes.push_back(Printable(text));
  }

  // ---- --host-file ----

  void LearnFromFile() {
    absl::StatusOr<env::Discovery> found =
        env::ReadHostFile(spec_.host_file(), Files());
    if (found.ok() && !Has("node-rank")) {
      const absl::Status place = env::SetOwnPlace(node_, &*found);
      if (!place.ok()) found = place;
    }
    if (!found.ok()) {
      facts_.unread.insert("host-file");
      Mistake(absl::StrCat("--host-file ", found.status().message()));
      return;
    }
    const size_t hosts = found->hosts->value.size();
    if (Has("nnodes") && facts_.unread.count("nnodes") == 0 &&
        (hosts < spec_.agreement().min_nodes() ||
         hosts > spec_.agreement().max_nodes())) {
      facts_.unread.insert("host-file");
      Mistake(absl::StrCat("--host-file ", spec_.host_file(), ": names ", hosts,
                           " hosts, and ", given_.at("nnodes"),
                           " says otherwise; leave one out"));
      return;
    }
    Use(*found);
  }

  // ---- the scheduler ----

  void LearnFromScheduler() {
    const env::EnvLevel level =
        spec_.env_level() == "node"      ? env::EnvLevel::kNode
        : spec_.env_level() == "process" ? env::EnvLevel::kProcess
                                         : env::EnvLevel::kUnsaid;
    env::MaybeDiscovery found = env::Discover(
        {surroundings_.variables, node_, Files(), level}, spec_.scheduler());
    if (!found.ok()) {
      Fail(found.status());
      return;
    }
    if (!found->has_value()) return;
    learnt_.discovery = **std::move(found);
    Use(*learnt_.discovery);
    for (const std::string& note : learnt_.discovery->notes) {
      learnt_.warnings.push_back(Printable(note));
    }
    if (!Has("nnodes")) {
      // What is missing must not be taken for one node.
      facts_.unread.insert("nnodes");
      const std::string& advice = learnt_.discovery->nodes_advice;
      Mistake(absl::StrCat(
          env::EvidenceText(learnt_.discovery->Deciding()), ": ",
          advice.empty() ? absl::StrCat(learnt_.discovery->title,
                                        " does not say how many nodes there "
                                        "are: give --nnodes")
                         : advice));
    }
    facts_.rendezvous_advice = Printable(learnt_.discovery->rendezvous_advice);
  }

  // What is wrong in the environment matters where something is needed from it.
  void Fail(const absl::Status& why) {
    const bool complete =
        Has("nnodes") && (spec_.agreement().max_nodes() == 1 ||
                          Has("rdzv-endpoint") || Has("host-dns"));
    const bool asked = spec_.scheduler() != "auto";
    if (complete && !asked && !absl::IsAlreadyExists(why)) {
      learnt_.warnings.push_back(
          Printable(absl::StrCat("not used: ", why.message())));
      return;
    }
    if (!Has("nnodes")) facts_.unread.insert("nnodes");
    facts_.unread.insert("rdzv-endpoint");
    const bool explained = asked || !absl::IsInvalidArgument(why);
    Mistake(absl::StrCat(
        why.message(),
        explained ? "" : "; --scheduler none leaves the environment alone"));
  }

  // ---- both ----

  // Fills in what is not given, and tells it.
  void Use(const env::Discovery& found) {
    std::vector<std::string> overruled;
    if (found.nodes) {
      Offer("nnodes",
            absl::StrCat(found.nodes->value.min, ":", found.nodes->value.max),
            found.nodes->evidence);
      const Agreement& agreement = spec_.agreement();
      const env::NodeCount used{agreement.min_nodes(), agreement.max_nodes()};
      if (used != found.nodes->value) {
        overruled.push_back(absl::StrCat(SourceOf("nnodes"), " is used, not ",
                                         CountText(found.nodes->value)));
      }
    }
    if (found.workers_per_node) {
      Offer("nproc-per-node", found.workers_per_node->value,
            found.workers_per_node->evidence);
    }
    if (found.job_id) OfferJobId(*found.job_id);
    // One node meets nobody, and who does not know the count cannot either.
    if (Has("nnodes") && spec_.agreement().max_nodes() > 1) {
      if (found.rendezvous_host) UseRendezvous(found, &overruled);
      if (found.node_rank) UseRank(found, &overruled);
    }
    learnt_.lines.push_back(Printable(Line(found, overruled)));
  }

  void UseRendezvous(const env::Discovery& found,
                     std::vector<std::string>* overruled) {
    const std::string& host = found.rendezvous_host->value;
    if (Has("host-dns")) {
      overruled->push_back(
          absl::StrCat(SourceOf("host-dns"), " is used, not ", host));
      return;
    }
    std::vector<env::Evidence> evidence = found.rendezvous_host->evidence;
    uint32_t port = kDefaultPort;
    if (found.rendezvous_port) {
      port = found.rendezvous_port->value;
      for (const env::Evidence& one : found.rendezvous_port->evidence) {
        if (std::find(evidence.begin(), evidence.end(), one) ==
            evidence.end()) {
          evidence.push_back(one);
        }
      }
    }
    Offer("rdzv-endpoint", FormatEndpoint({host, port}), evidence);
    if (!spec_.endpoint_host().empty() && spec_.endpoint_host() != host) {
      overruled->push_back(
          absl::StrCat(SourceOf("rdzv-endpoint"), " is used, not ", host));
    }
  }

  void UseRank(const env::Discovery& found,
               std::vector<std::string>* overruled) {
    const uint32_t rank = found.node_rank->value;
    if (Has("node-rank")) {
      if (spec_.has_node_rank() && spec_.node_rank() != rank) {
        overruled->push_back(
            absl::StrCat(SourceOf("node-rank"), " is used, not ", rank));
      }
      return;
    }
    if (rank >= spec_.agreement().max_nodes()) {
      Mistake(absl::StrCat(
          env::EvidenceText(found.node_rank->evidence), ": this is node ", rank,
          ", and ", SourceOf("nnodes"),
          " has no room for it; start fewer agents, or give --node-rank"));
      return;
    }
    // Node 0 hosts the coordinator, so it must be the one at the endpoint.
    if (found.hosts && !spec_.endpoint_host().empty() &&
        spec_.endpoint_host() != found.hosts->value[0] &&
        std::find(found.hosts->value.begin(), found.hosts->value.end(),
                  spec_.endpoint_host()) != found.hosts->value.end()) {
      overruled->push_back(
          absl::StrCat("ranks follow host names, since node 0 is not at ",
                       spec_.endpoint_host()));
      return;
    }
    Offer("node-rank", absl::StrCat(rank), found.node_rank->evidence);
  }

  void OfferJobId(const env::Fact<std::string>& job_id) {
    JobSpec trial;
    // It names the run only: one that cannot is left out.
    if (FindFlag("rdzv-id")->codec->read(job_id.value, &trial).ok()) {
      Offer("rdzv-id", job_id.value, job_id.evidence);
    }
  }

  // Sets a flag that is not given.
  void Offer(const char* name, const std::string& value,
             const std::vector<env::Evidence>& evidence) {
    if (Has(name)) return;
    const std::string source = Printable(env::EvidenceText(evidence));
    const absl::Status status = FindFlag(name)->codec->read(value, &spec_);
    if (status.ok()) {
      learnt_.sources[name] = source;
      return;
    }
    facts_.unread.insert(name);
    Mistake(absl::StrCat(source, ": ", value, " for --", name, " ",
                         status.message()));
  }

  std::string SourceOf(const std::string& flag) const {
    const auto given = given_.find(flag);
    if (given != given_.end()) return given->second;
    const auto learnt = learnt_.sources.find(flag);
    return learnt == learnt_.sources.end() ? "--" + flag : learnt->second;
  }

  // "Slurm: 4 nodes, this is node 2, coordinator on tux1:20000 (A=1, B=2)".
  static std::string Line(const env::Discovery& found,
                          const std::vector<std::string>& overruled) {
    std::vector<std::string> facts;
    if (found.nodes) {
      const bool one = found.nodes->value.max == 1;
      facts.push_back(absl::StrCat(CountText(found.nodes->value),
                                   one ? " node" : " nodes"));
    }
    if (!found.nodes || found.nodes->value.max > 1) {
      if (found.node_rank) {
        facts.push_back(absl::StrCat("this is node ", found.node_rank->value));
      }
      if (found.rendezvous_host) {
        facts.push_back(absl::StrCat(
            "coordinator on ", found.rendezvous_host->value,
            found.rendezvous_port
                ? absl::StrCat(" port ", found.rendezvous_port->value)
                : ""));
      }
    }
    if (found.workers_per_node) {
      facts.push_back(absl::StrCat("workers on each node: ",
                                   found.workers_per_node->value));
    }
    std::vector<env::Evidence> evidence = found.Deciding();
    if (found.workers_per_node) {
      evidence.insert(evidence.end(), found.workers_per_node->evidence.begin(),
                      found.workers_per_node->evidence.end());
    }
    return absl::StrCat(found.title, ": ", absl::StrJoin(facts, ", "), " (",
                        env::EvidenceText(evidence), ")",
                        overruled.empty() ? "" : "; ",
                        absl::StrJoin(overruled, "; "));
  }

  const Surroundings& surroundings_;
  const std::map<std::string, std::string>& given_;
  JobFacts& facts_;
  JobSpec& spec_;
  const NoFiles no_files_;
  env::NodeIdentity node_;
  Learnt learnt_;
};

}  // namespace

Learnt LearnFromEnvironment(const Surroundings& surroundings,
                            const std::map<std::string, std::string>& given,
                            JobFacts* facts, JobSpec* spec) {
  return Learner(surroundings, given, facts, spec).Learn();
}

}  // namespace muster::launcher
