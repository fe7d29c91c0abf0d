// What the collector's crash program and the check of its files agree on.
#ifndef MUSTER_TESTS_LAUNCHER_COLLECTOR_CRASHES_CRASH_PROGRAM_H_
#define MUSTER_TESTS_LAUNCHER_COLLECTOR_CRASHES_CRASH_PROGRAM_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "launcher/collector/node_key.h"
#include "proto/collector.pb.h"
#include "tests/support/records/log_pattern.h"

namespace muster::collector {

// Records large enough for two compactions.
inline constexpr uint32_t kJournalStreams = 2500;
inline constexpr int kJournalRecords = 7;  // in each life

inline constexpr char kCrashRun[] = "run";
inline constexpr char kCrashKey[] = "0123456789abcdef0123456789abcdef";

// Node k has the ranks 2k and 2k+1, of 4.
inline Introduction CrashIntroduction(uint32_t node) {
  Introduction introduction;
  introduction.set_run_id(kCrashRun);
  introduction.set_node_rank(node);
  introduction.set_first_rank(node * 2);
  introduction.set_workers(2);
  introduction.set_world_size(4);
  introduction.set_incarnation(absl::StrCat("incarnation", node));
  introduction.set_key(NodeKey(kCrashKey, {.node_rank = node,
                                           .first_rank = node * 2,
                                           .workers = 2,
                                           .world_size = 4}));
  return introduction;
}

struct CrashStream {
  StreamName name;
  std::string path;  // in the run's directory
  test::LogPattern pattern;
  std::vector<std::pair<uint64_t, uint64_t>> gaps;  // offset, length
};

inline std::vector<CrashStream> CrashStreams(uint32_t node) {
  std::vector<CrashStream> streams;
  for (const uint32_t rank : {node * 2, node * 2 + 1}) {
    for (const StreamKind kind : {STREAM_STDOUT, STREAM_STDERR}) {
      CrashStream stream{
          {},
          absl::StrCat("logs/", rank,
                       kind == STREAM_STDERR ? ".stderr" : ".stdout"),
          test::LogPattern({.rank = rank, .fd = kind == STREAM_STDERR ? 2 : 1}),
          {}};
      stream.name.set_kind(kind);
      stream.name.set_rank(rank);
      if (rank == 1 && kind == STREAM_STDOUT) {
        stream.gaps = {{0, 10}, {3000, 500}};
      }
      streams.push_back(std::move(stream));
    }
  }
  return streams;
}

inline std::string CrashDocument(int life) {
  return std::string(9000, static_cast<char>('0' + life));
}

}  // namespace muster::collector

#endif  // MUSTER_TESTS_LAUNCHER_COLLECTOR_CRASHES_CRASH_PROGRAM_H_
