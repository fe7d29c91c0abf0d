#include "launcher/show_env.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "launcher/text.h"
#include "rendezvous/agreement.h"

namespace muster::launcher {
namespace {

using Json = nlohmann::ordered_json;
using env::Explained;
using env::ExplainedVariables;

// What is shown of a rank, or what several ranks have alike.
struct Block {
  ExplainedVariables variables;
  std::string command;  // "" for none
};

// A word as a shell takes it.
std::string Quoted(const std::string& word) {
  const auto plain = [](char c) {
    return absl::ascii_isalnum(c) || absl::StrContains("_-+=:,./@%<>", c);
  };
  if (!word.empty() && std::all_of(word.begin(), word.end(), plain)) {
    return word;
  }
  return absl::StrCat("'", absl::StrReplaceAll(word, {{"'", "'\\''"}}), "'");
}

Block BlockOf(const PlannedRank& rank) {
  Block block;
  for (const auto& [name, variable] : rank.variables) {
    if (variable.known) block.variables.emplace(name, variable);
  }
  block.command = absl::StrJoin(rank.argv, " ",
                                [](std::string* out, const std::string& word) {
                                  out->append(Quoted(word));
                                });
  return block;
}

// Leaves in `block` what `other` has as well.
void KeepCommon(const Block& other, Block* block) {
  for (auto it = block->variables.begin(); it != block->variables.end();) {
    const auto found = other.variables.find(it->first);
    const bool same = found != other.variables.end() &&
                      found->second.value == it->second.value &&
                      found->second.source == it->second.source;
    it = same ? std::next(it) : block->variables.erase(it);
  }
  if (block->command != other.command) block->command.clear();
}

void Remove(const Block& shown, Block* block) {
  for (const auto& [name, variable] : shown.variables) {
    block->variables.erase(name);
  }
  if (!shown.command.empty()) block->command.clear();
}

void WriteBlock(const std::string& title, const Block& block,
                const Writer& write) {
  if (block.variables.empty() && block.command.empty()) return;
  write(absl::StrCat("\n", title, "\n"));
  if (!block.command.empty()) {
    write(absl::StrFormat("  %-10s %s\n", "command", Printable(block.command)));
  }
  std::vector<std::pair<std::string, std::string>> rows;  // source, text
  for (const auto& [name, variable] : block.variables) {
    rows.emplace_back(variable.source,
                      Printable(absl::StrCat(name, "=", variable.value)));
  }
  std::sort(rows.begin(), rows.end());
  for (const auto& [source, text] : rows) {
    write(absl::StrFormat("  %-10s %s\n", source, text));
  }
}

// All of the plan's placeholders that occur in `ranks`.
void CollectUsed(const std::vector<PlannedRank>& ranks,
                 const std::vector<Placeholder>& placeholders,
                 std::set<std::string>* used) {
  for (const Placeholder& placeholder : placeholders) {
    if (used->count(placeholder.text) > 0) continue;
    for (const PlannedRank& rank : ranks) {
      const bool occurs = std::any_of(
          rank.variables.begin(), rank.variables.end(),
          [&placeholder](const auto& variable) {
            return absl::StrContains(variable.second.value, placeholder.text);
          });
      if (occurs) {
        used->insert(placeholder.text);
        break;
      }
    }
  }
}

// What a look at all ranks tells.
struct Survey {
  Block common;
  std::vector<Placeholder> placeholders;  // those that occur
};

absl::StatusOr<Survey> SurveyOf(const JobPlan& plan) {
  Survey survey;
  std::set<std::string> used;
  const std::vector<Placeholder> all = plan.Placeholders();
  for (uint32_t node = 0; node < plan.nodes(); ++node) {
    const absl::StatusOr<std::vector<PlannedRank>> ranks = plan.RanksOf(node);
    if (!ranks.ok()) return ranks.status();
    if (node == 0) survey.common = BlockOf(ranks->front());
    for (const PlannedRank& rank : *ranks) {
      KeepCommon(BlockOf(rank), &survey.common);
    }
    // Every node's address is in the lists of the first.
    if (node == 0) CollectUsed(*ranks, all, &used);
  }
  for (const Placeholder& placeholder : all) {
    if (used.count(placeholder.text) > 0) {
      survey.placeholders.push_back(placeholder);
    }
  }
  return survey;
}

void WriteHead(const JobPlan& plan, const Decisions& decisions,
               const std::vector<Placeholder>& placeholders,
               const Writer& write) {
  const Agreement& agreement = plan.spec().agreement();
  write(absl::StrCat(Count(plan.nodes(), "node"), ", ",
                     Count(plan.world_size(), "rank"), ", framework ",
                     rendezvous::FrameworkName(plan.spec().agreement()),
                     "; nothing was started\n"));
  for (const auto& [flag, source] : decisions) {
    write(absl::StrFormat("  %-16s from %s\n", flag, Printable(source)));
  }
  if (agreement.min_nodes() < agreement.max_nodes()) {
    write(absl::StrCat("  shown is the job with ", agreement.max_nodes(),
                       " nodes; it may start with ", agreement.min_nodes(),
                       "\n"));
  }
  write(absl::StrCat(
      "  every node is taken to be like this one, with ",
      plan.model().gpus.empty() ? "no GPU"
                                : Count(plan.model().gpus.size(), "GPU"),
      plan.spec().pretend_gpus() > 0 ? " (--gpus-per-node)" : "", "\n"));
  if (agreement.framework() == FRAMEWORK_MPI) {
    write(
        "  Open MPI itself adds OMPI_COMM_WORLD_RANK, _SIZE and the rest when "
        "its\n  mpirun starts the ranks\n");
  }
  if (placeholders.empty()) return;
  write("\nknown only when the job runs\n");
  std::vector<Placeholder> shown = placeholders;
  const auto is_node = [](const Placeholder& placeholder) {
    return absl::StartsWith(placeholder.text, "<node");
  };
  const auto end = std::stable_partition(shown.begin(), shown.end(), is_node);
  if (end - shown.begin() > 1) {
    shown.erase(shown.begin() + 1, end);
    shown.front() = {absl::StrCat(shown.front().text, ", ..."),
                     "the addresses of the nodes"};
  }
  for (const Placeholder& placeholder : shown) {
    write(
        absl::StrFormat("  %-14s %s\n", placeholder.text, placeholder.meaning));
  }
}

}  // namespace

absl::Status ShowAsText(const JobPlan& plan, const Decisions& decisions,
                        const Writer& write) {
  const absl::StatusOr<Survey> survey = SurveyOf(plan);
  if (!survey.ok()) return survey.status();
  WriteHead(plan, decisions, survey->placeholders, write);
  if (plan.world_size() > 1) WriteBlock("every rank", survey->common, write);
  for (uint32_t node = 0; node < plan.nodes(); ++node) {
    const absl::StatusOr<std::vector<PlannedRank>> ranks = plan.RanksOf(node);
    if (!ranks.ok()) return ranks.status();
    std::vector<Block> blocks;
    for (const PlannedRank& rank : *ranks) {
      blocks.push_back(BlockOf(rank));
      if (plan.world_size() > 1) Remove(survey->common, &blocks.back());
    }
    // With one worker, what is the node's and what is the rank's is one.
    if (blocks.size() > 1) {
      Block common = blocks.front();
      for (const Block& block : blocks) KeepCommon(block, &common);
      for (Block& block : blocks) Remove(common, &block);
      WriteBlock(absl::StrCat("node ", node, ", ranks ", ranks->front().rank,
                              "-", ranks->back().rank),
                 common, write);
    }
    for (size_t i = 0; i < blocks.size(); ++i) {
      const PlannedRank& rank = (*ranks)[i];
      WriteBlock(absl::StrCat("rank ", rank.rank, " (node ", node,
                              ", local rank ", rank.local_rank, ")"),
                 blocks[i], write);
    }
  }
  return absl::OkStatus();
}

absl::Status ShowAsJson(const JobPlan& plan, const Decisions& decisions,
                        const Writer& write) {
  const absl::StatusOr<Survey> survey = SurveyOf(plan);
  if (!survey.ok()) return survey.status();
  const auto dump = [](const Json& json) {
    return json.dump(2, ' ', false, Json::error_handler_t::replace);
  };
  Json head = {
      {"muster_version", plan.spec().agreement().muster_version()},
      {"framework", rendezvous::FrameworkName(plan.spec().agreement())},
      {"nodes", plan.nodes()},
      {"world_size", plan.world_size()},
      {"gpus_per_node", plan.model().gpus.size()},
      {"decided_by", Json::object()},
      {"placeholders", Json::object()}};
  for (const auto& [flag, source] : decisions) {
    head["decided_by"][flag] = source;
  }
  for (const Placeholder& placeholder : survey->placeholders) {
    head["placeholders"][placeholder.text] = placeholder.meaning;
  }
  // Rank by rank, since all of them together may be large.
  std::string text = dump(head);
  text.resize(text.rfind("\n}"));
  write(absl::StrCat(text, ",\n  \"ranks\": ["));
  for (uint32_t node = 0; node < plan.nodes(); ++node) {
    const absl::StatusOr<std::vector<PlannedRank>> ranks = plan.RanksOf(node);
    if (!ranks.ok()) return ranks.status();
    for (const PlannedRank& rank : *ranks) {
      Json json = {{"rank", rank.rank},
                   {"node", rank.node_rank},
                   {"local_rank", rank.local_rank},
                   {"command", rank.argv},
                   {"variables", Json::object()}};
      for (const auto& [name, variable] : BlockOf(rank).variables) {
        json["variables"][name] = {{"value", variable.value},
                                   {"source", variable.source}};
      }
      write(absl::StrCat(rank.rank == 0 ? "\n" : ",\n", dump(json)));
    }
  }
  write("\n  ]\n}\n");
  return absl::OkStatus();
}

}  // namespace muster::launcher
