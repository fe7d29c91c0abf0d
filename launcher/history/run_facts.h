// What run.json, report.json and fabric.json say of a run, for people.
#ifndef MUSTER_LAUNCHER_HISTORY_RUN_FACTS_H_
#define MUSTER_LAUNCHER_HISTORY_RUN_FACTS_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "proto/history.pb.h"

namespace muster::history {

struct NodeFacts {
  uint64_t node = 0;
  std::string host;
  std::string address;
  uint64_t gpus = 0;
  std::vector<uint64_t> ranks;
};

// What is not known is absent or empty. Texts are as the files have them, not
// harmless.
struct RunFacts {
  std::string run_id;
  std::string job_id;
  std::vector<std::string> command;
  std::optional<absl::Time> started;
  // "running" until there is a report; then its result, as "succeeded".
  // "no record" where only logs came, of agents that are dead.
  std::string state;
  std::optional<int64_t> exit_code;
  std::vector<NodeFacts> nodes;
  std::string wanted_nodes;  // "4", or "2:4", before they are there
  std::optional<uint64_t> world_size;
  std::vector<std::pair<std::string, double>> phases;  // seconds, in order
  nlohmann::ordered_json first_cause;                  // null: there is none
  std::vector<std::string> missing_output;  // what, of which node, and why
  // Nodes that failed the self-test, each with why the job ran without it.
  std::vector<std::string> left_out;
  uint64_t log_bytes = 0;
  uint64_t output_bytes = 0;
  absl::Time changed;

  bool is_over() const { return state != "running"; }
  // From the start to the end, or to `now`.
  std::optional<absl::Duration> Took(absl::Time now) const;
};

// Never fails: files that are not there, or not what they should be, say
// nothing.
RunFacts ToFacts(const RunSummary& summary);

// What fabric.json says of the self-test.
struct SelfTestFacts {
  std::string verdict;  // "pass", "warn", "fail", "none"
  std::string kind;     // "nccl", "gloo"
  uint64_t rounds = 0;
  double seconds = 0;
  std::vector<std::string> findings;  // a sentence each
  // All of fabric.json but the nodes and the single tests, which are many.
  nlohmann::ordered_json json;
};

// None where the text is not what it should be.
std::optional<SelfTestFacts> ToSelfTest(const std::string& fabric_json);

// The newest first; those whose start is not known last.
void SortByStart(std::vector<RunFacts>* runs);

// The run that `word` means: an id, the beginning of just one, or "latest".
// `runs`: all that there are, sorted by start.
// Errors, which name the candidates:
//   NotFound         there is none
//   InvalidArgument  there are several
absl::StatusOr<std::string> ChooseRun(absl::string_view word,
                                      const std::vector<RunFacts>& runs);

}  // namespace muster::history

#endif  // MUSTER_LAUNCHER_HISTORY_RUN_FACTS_H_
