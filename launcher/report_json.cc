#include "launcher/report_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/time/time.h"

namespace muster::launcher {
namespace {

using Json = nlohmann::ordered_json;

double Milliseconds(double seconds) {
  return std::round(seconds * 1000) / 1000;
}

std::string IsoTime(int64_t unix_ms) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixMillis(unix_ms),
                          absl::UTCTimeZone());
}

Json CauseToJson(const Cause& cause) {
  Json json;
  json["kind"] = std::string(CauseWord(cause.kind()));
  if (cause.has_rank()) json["rank"] = cause.rank();
  if (cause.has_local_rank()) json["local_rank"] = cause.local_rank();
  if (!cause.task_type().empty()) json["task_type"] = cause.task_type();
  if (cause.has_task_index()) json["task_index"] = cause.task_index();
  if (cause.has_node()) json["node"] = cause.node();
  if (!cause.host().empty()) json["host"] = cause.host();
  if (!cause.service().empty()) json["service"] = cause.service();
  if (cause.has_pid()) json["pid"] = cause.pid();
  if (cause.has_exit_code()) json["exit_code"] = cause.exit_code();
  if (cause.has_signal()) json["signal"] = cause.signal();
  if (cause.at_unix_ms() != 0) json["at"] = IsoTime(cause.at_unix_ms());
  if (!cause.message().empty()) json["message"] = cause.message();
  if (cause.stderr_tail_size() > 0) json["stderr_tail"] = cause.stderr_tail();
  return json;
}

Json OthersToJson(const Report& report) {
  Json json = Json::array();
  for (const OtherCauses& others : report.others()) {
    json.push_back({{"kind", std::string(CauseWord(others.kind()))},
                    {"ranks", others.ranks()},
                    {"count", others.count()}});
  }
  return json;
}

Json MissingToJson(const Report& report) {
  Json json = Json::array();
  for (const MissingOutput& missing : report.missing_output()) {
    json.push_back({{"node", missing.node()},
                    {"host", missing.host()},
                    {"bytes", missing.bytes()},
                    {"message", missing.message()}});
  }
  return json;
}

Json LeftOutToJson(const Report& report) {
  Json json = Json::array();
  for (const LeftOutNode& node : report.left_out()) {
    json.push_back({{"host", node.host()},
                    {"address", node.address()},
                    {"why", node.why()}});
  }
  return json;
}

Json DurationsToJson(const PhaseSeconds& phases) {
  return {{"join", Milliseconds(phases.join())},
          {"fabric", Milliseconds(phases.fabric())},
          {"start", Milliseconds(phases.start())},
          {"run", Milliseconds(phases.run())},
          {"stop", Milliseconds(phases.stop())},
          {"collect", Milliseconds(phases.collect())}};
}

}  // namespace

absl::string_view ResultWord(Result result) {
  switch (result) {
    case RESULT_SUCCEEDED:
      return "succeeded";
    case RESULT_FAILED:
      return "failed";
    case RESULT_CANCELLED:
      return "cancelled";
    case RESULT_REFUSED:
      return "refused";
    default:
      return "unknown";
  }
}

absl::string_view CauseWord(CauseKind kind) {
  switch (kind) {
    case CAUSE_EXIT:
      return "exit";
    case CAUSE_SIGNAL:
      return "signal";
    case CAUSE_OOM:
      return "oom";
    case CAUSE_SPAWN:
      return "spawn";
    case CAUSE_NODE_LOST:
      return "node_lost";
    case CAUSE_FABRIC:
      return "fabric";
    case CAUSE_RENDEZVOUS:
      return "rendezvous";
    case CAUSE_AUTH:
      return "auth";
    case CAUSE_CONFIG:
      return "config";
    case CAUSE_CANCELLED:
      return "cancelled";
    case CAUSE_OUTPUT:
      return "output";
    default:
      return "unknown";
  }
}

std::string ReportToJson(const Report& report) {
  Json json;
  json["result"] = std::string(ResultWord(report.result()));
  json["exit_code"] = report.exit_code();
  if (!report.run_id().empty()) json["run_id"] = report.run_id();
  json["attempt"] = report.attempt();
  json["nodes"] = report.nodes();
  json["world_size"] = report.world_size();
  if (report.has_first_cause()) {
    json["first_cause"] = CauseToJson(report.first_cause());
  }
  json["others"] = OthersToJson(report);
  if (report.missing_output_size() > 0) {
    json["missing_output"] = MissingToJson(report);
  }
  if (report.left_out_size() > 0) json["left_out"] = LeftOutToJson(report);
  if (report.has_durations()) {
    json["durations"] = DurationsToJson(report.durations());
  }
  json["bytes"] = {{"logs", report.log_bytes()},
                   {"outputs", report.output_bytes()}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace muster::launcher
