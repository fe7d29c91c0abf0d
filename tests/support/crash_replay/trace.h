// What a program did to a directory, call by call.
#ifndef MUSTER_TESTS_SUPPORT_CRASH_REPLAY_TRACE_H_
#define MUSTER_TESTS_SUPPORT_CRASH_REPLAY_TRACE_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace muster::test {

// A file or directory, whatever names it has. Object 0 is the directory that
// was watched.
using ObjectId = size_t;

struct TraceObject {
  bool is_directory = false;
  mode_t mode = 0;
  // Of what was there from the start: durable.
  std::string content;
  std::map<std::string, ObjectId> entries;
};

// One call that succeeded, or a part of what one did.
struct TraceEvent {
  enum class Kind {
    kAdd,       // a name for `object`, new or one more: open, mkdir, link
    kRemove,    // unlink, rmdir
    kRename,    // from `directory`/`name` to `to_directory`/`to_name`
    kExchange,  // of the two names
    kWrite,     // `data` at `offset`
    kResize,    // to `size`
    kSync,      // fsync, fdatasync of `object`
    kSyncAll,   // syncfs, sync
    kMark,      // a line that the program printed: `data` without its newline
  };
  Kind kind = Kind::kMark;
  ObjectId object = 0;
  ObjectId directory = 0;
  ObjectId to_directory = 0;
  std::string name;
  std::string to_name;
  uint64_t offset = 0;
  uint64_t size = 0;
  std::string data;
  // Of a sync: so many events were over when it began. The later ones are none
  // of its business, though they come before it.
  size_t covers = 0;
  std::string what;  // for people: "write journal +120 at 4096"

  bool IsOfNames() const {
    return kind == Kind::kAdd || kind == Kind::kRemove ||
           kind == Kind::kRename || kind == Kind::kExchange;
  }
  bool IsOfContent() const {
    return kind == Kind::kWrite || kind == Kind::kResize;
  }
};

struct Trace {
  std::vector<TraceObject> objects;
  std::vector<TraceEvent> events;  // in the order in which they were over
  int wait_status = 0;             // of the program
  std::string errors;              // its standard error
};

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_CRASH_REPLAY_TRACE_H_
