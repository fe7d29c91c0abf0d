#include "launcher/collector/names.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"

namespace muster::collector {
namespace {

const char* ReasonWord(GapReason reason) {
  switch (reason) {
    case GAP_SPOOL_FULL:
      return "spool-full";
    case GAP_CORRUPT:
      return "corrupt";
    case GAP_SPOOL_ERROR:
      return "spool-error";
    default:
      return "unknown";
  }
}

const char* EndWord(StreamEnd how) {
  switch (how) {
    case STREAM_END_ABANDONED:
      return "abandoned";
    case STREAM_END_AGENT_DIED:
      return "agent-died";
    default:
      return "unknown";
  }
}

}  // namespace

bool IsRunId(absl::string_view id) {
  if (id.empty() || id.size() > 64 || id == "." || id == ".." ||
      absl::StartsWith(id, kPrivate)) {
    return false;
  }
  return std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' ||
           c == '_' || c == '-';
  });
}

std::string LogDirectory(const JournalNode& node, size_t generation) {
  std::string path = "logs";
  if (node.attempt() > 0) absl::StrAppend(&path, "/attempt", node.attempt());
  if (generation > 0) absl::StrAppend(&path, "/incarnation", generation);
  return path;
}

std::string LogPath(const JournalNode& node, size_t generation,
                    const StreamName& stream) {
  const std::string directory = LogDirectory(node, generation);
  if (stream.kind() == STREAM_AGENT) {
    return absl::StrCat(directory, "/node", node.node_rank(), ".agent");
  }
  const int width =
      static_cast<int>(absl::StrCat(node.world_size() - 1).size());
  return absl::StrFormat("%s/%0*d.%s", directory, width, stream.rank(),
                         stream.kind() == STREAM_STDERR ? "stderr" : "stdout");
}

std::string GapLine(const JournalGap& gap) {
  return absl::StrCat("{\"offset\":", gap.offset(),
                      ",\"length\":", gap.length(), ",\"reason\":\"",
                      ReasonWord(gap.reason()), "\",\"at\":\"",
                      absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ",
                                       absl::FromUnixMillis(gap.at_unix_ms()),
                                       absl::UTCTimeZone()),
                      "\"}\n");
}

std::string EndLine(uint64_t offset, StreamEnd how) {
  if (how == STREAM_END_CLOSED) return "";
  return absl::StrCat("{\"offset\":", offset, ",\"end\":\"", EndWord(how),
                      "\"}\n");
}

}  // namespace muster::collector
