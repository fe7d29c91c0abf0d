#include "launcher/run_record.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "launcher/fabric/fabric_json.h"
#include "launcher/report_json.h"
#include "nlohmann/json.hpp"
#include "rendezvous/task_layout.h"
#include "rendezvous/timing.h"

namespace muster::launcher {
namespace {

using Json = nlohmann::ordered_json;

std::string Timestamp(int64_t unix_ms) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixMillis(unix_ms),
                          absl::UTCTimeZone());
}

std::string Dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json NodeJson(const rendezvous::Member& member) {
  Json ranks = Json::array();
  for (uint32_t i = 0; i < member.facts.workers(); ++i) {
    ranks.push_back(member.assignment.first_rank() + i);
  }
  Json node = {{"node", member.assignment.node_rank()},
               {"host", member.facts.host_name()},
               {"address", member.facts.address()},
               {"gpus", member.facts.gpus()},
               {"agent_pid", member.facts.pid()},
               {"ranks", std::move(ranks)}};
  if (member.assignment.tasks().empty()) return node;
  Json tasks = Json::array();
  for (const Task& task : member.assignment.tasks()) {
    tasks.push_back({{"rank", task.rank()},
                     {"type", rendezvous::TaskTypeName(task.role())},
                     {"index", task.index()},
                     {"port", task.port()}});
  }
  node["tasks"] = std::move(tasks);
  return node;
}

}  // namespace

RunRecord::RunRecord(RecordSender& sender, const JobSpec& spec,
                     std::string run_id)
    : sender_(sender),
      spec_(spec),
      run_id_(std::move(run_id)),
      started_unix_ms_(rendezvous::Now().unix_ms) {
  WriteRun();
}

void RunRecord::Event(const std::string& name, const std::string& text) {
  sender_.Append(Dump({{"at", Timestamp(rendezvous::Now().unix_ms)},
                       {"event", name},
                       {"text", text}},
                      -1));
}

void RunRecord::Sealed(const std::vector<rendezvous::Member>& members) {
  members_ = members;
  WriteRun();
}

void RunRecord::Fabric(const FabricReport& report) {
  sender_.Write(RECORD_FABRIC, fabric::FabricToJson(report));
}

void RunRecord::Verdict(const Report& report) {
  report_ = report;
  WriteRun();
  sender_.Write(RECORD_REPORT, ReportToJson(report));
}

void RunRecord::WriteRun() {
  Json command = Json::array();
  for (const std::string& argument : spec_.agreement().command()) {
    command.push_back(argument);
  }
  Json run = {{"run_id", run_id_},
              {"job_id", spec_.agreement().job_id()},
              {"started_at", Timestamp(started_unix_ms_)},
              {"muster_version", spec_.agreement().muster_version()},
              {"command", std::move(command)},
              {"nnodes", absl::StrCat(spec_.agreement().min_nodes(), ":",
                                      spec_.agreement().max_nodes())}};
  Json nodes = Json::array();
  for (const rendezvous::Member& member : members_) {
    nodes.push_back(NodeJson(member));
  }
  run["nodes"] = std::move(nodes);
  if (!members_.empty()) {
    run["world_size"] = members_[0].assignment.world_size();
  }
  if (report_.result() != RESULT_UNSPECIFIED) {
    run["result"] = std::string(ResultWord(report_.result()));
    run["phases"] = Json::parse(ReportToJson(report_))["durations"];
  }
  sender_.Write(RECORD_RUN, Dump(run, 2));
}

}  // namespace muster::launcher
