#include "tests/support/crash_replay/replay.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <xxhash.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/support/crash_replay/bounded_check.h"
#include "tests/support/crash_replay/file_history.h"
#include "tests/support/crash_replay/name_history.h"
#include "tests/support/files.h"

namespace muster::test {
namespace {

namespace fs = std::filesystem;
using Kind = TraceEvent::Kind;

constexpr size_t kKeptProblems = 5;
constexpr uint64_t kPage = 4096;

// Memory where there is enough of it: recovery syncs, and states are many.
std::string ScratchParent() {
  struct statvfs status = {};
  const std::string memory = "/dev/shm";
  constexpr uint64_t kEnough = uint64_t{512} << 20;
  const bool fits = statvfs(memory.c_str(), &status) == 0 &&
                    status.f_bavail * status.f_frsize >= kEnough;
  return fits ? memory : fs::temp_directory_path().string();
}

// A directory tree in memory.
struct Tree {
  Names names;
  std::map<ObjectId, std::string> contents;
};

class Replay {
 public:
  Replay(const Trace& trace, const CrashOptions& options,
         const CrashCheck& check)
      : trace_(trace), options_(options), check_(check), names_(trace.objects) {
    std::string name = ScratchParent() + "/muster-crash-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) std::abort();
    scratch_ = name;
    for (ObjectId id = 0; id < trace.objects.size(); ++id) {
      if (!trace.objects[id].is_directory) {
        files_.emplace(id, trace.objects[id].content);
      }
    }
  }
  ~Replay() {
    std::error_code ignored;
    fs::remove_all(scratch_, ignored);
  }

  CrashReport Run() {
    TryAll(0);
    for (size_t i = 0; i < trace_.events.size(); ++i) {
      const TraceEvent& event = trace_.events[i];
      TryParts(i, event);
      Apply(i, event);
      TryAll(i + 1);
    }
    TryTheEnd();
    report_.calls = trace_.events.size();
    return std::move(report_);
  }

 private:
  void Apply(size_t index, const TraceEvent& event) {
    if (event.IsOfNames()) names_.Add(index, event);
    if (event.IsOfContent()) files_.at(event.object).Add(index, event);
    if (event.kind == Kind::kMark) marks_.push_back(event.data);
    if (event.kind == Kind::kSync) {
      names_.Sync(event.covers, event.object);
      const auto file = files_.find(event.object);
      if (file != files_.end()) file->second.Sync(event.covers);
    }
    if (event.kind == Kind::kSyncAll) {
      names_.SyncAll(event.covers);
      for (auto& [id, file] : files_) file.Sync(event.covers);
    }
  }

  Tree Current() const {
    Tree tree = {.names = names_.current()};
    for (const auto& [id, file] : files_) tree.contents[id] = file.current();
    return tree;
  }

  bool IsWanted(size_t done) const {
    return done >= options_.first_call && done <= options_.last_call;
  }

  void TryAll(size_t done) {
    if (!IsWanted(done)) return;
    if (options_.model == DiskModel::kProcessDeath) {
      Try(Current(), done, "all that was done");
      return;
    }
    TryFates(done, Survival::kNothing, Survival::kNothing);
    TryFates(done, Survival::kNothing, Survival::kEverything);
    TryFates(done, Survival::kEverything, Survival::kNothing);
    TryFates(done, Survival::kEverything, Survival::kSizes);
    TryFates(done, Survival::kEverything, Survival::kEverything);
    for (size_t i = 0; i < options_.random_states; ++i) {
      TryFates(done, Survival::kRandom, Survival::kRandom, i);
    }
  }

  void TryFates(size_t done, Survival of_names, Survival of_files,
                uint64_t round = 0) {
    const uint64_t seed[] = {options_.seed, done, round};
    Fate name_fate(of_names, XXH3_64bits(seed, sizeof(seed)));
    Fate file_fate(of_files, XXH3_64bits(seed, sizeof(seed)) + 1);
    Tree tree = {.names = names_.AfterPowerLoss(options_.model, &name_fate)};
    for (const auto& [id, file] : files_) {
      tree.contents[id] = file.has_unsynced()
                              ? file.AfterPowerLoss(options_.model, &file_fate)
                              : file.current();
    }
    static constexpr const char* kNames[] = {"nothing", "everything",
                                             "sizes alone", "some"};
    std::string survived = absl::StrCat(
        kNames[static_cast<int>(of_names)], " of the names and ",
        kNames[static_cast<int>(of_files)], " of the data that was not synced");
    if (of_names == Survival::kRandom) {
      absl::StrAppend(&survived, " (seed ", options_.seed, ", state ", round,
                      ")");
    }
    Try(tree, done, survived);
  }

  // A write that was going on.
  void TryParts(size_t done, const TraceEvent& event) {
    if (options_.model != DiskModel::kProcessDeath || !IsWanted(done) ||
        event.kind != Kind::kWrite) {
      return;
    }
    std::set<size_t> parts;
    const uint64_t end = event.offset + event.data.size();
    const uint64_t page = (event.offset / kPage + 1) * kPage;
    if (page < end) {
      parts.insert(page - event.offset);
      parts.insert((end - 1) / kPage * kPage - event.offset);
    }
    const uint64_t seed[] = {options_.seed, done};
    Fate fate(Survival::kRandom, XXH3_64bits(seed, sizeof(seed)));
    for (size_t i = 0; i < options_.random_states; ++i) {
      parts.insert(fate.PointInTime(event.data.size()));
    }
    for (const size_t part : parts) {
      if (part == 0) continue;
      TraceEvent cut = event;
      cut.data.resize(part);
      FileHistory file(files_.at(event.object).current());
      file.Add(0, cut);
      Tree tree = Current();
      tree.contents[event.object] = file.current();
      Try(tree, done,
          absl::StrCat("all that was done and ", part,
                       " bytes of: ", event.what));
    }
  }

  void TryTheEnd() {
    is_the_end_ = true;
    Try(Current(), trace_.events.size(), "everything");
  }

  void Try(const Tree& tree, size_t done, const std::string& survived) {
    if (!IsNew(tree)) return;
    ++report_.states;
    const std::string directory = absl::StrCat(scratch_, "/", report_.states);
    std::map<ObjectId, std::string> made;
    Materialise(tree, 0, directory, &made);
    const CrashState state = {directory, marks_, is_the_end_};
    const std::string problem =
        RunBounded([&] { return check_(state); }, options_.deadline);
    std::error_code ignored;
    fs::remove_all(directory, ignored);
    if (problem.empty()) return;
    ++report_.failed;
    if (report_.problems.size() == kKeptProblems) return;
    report_.problems.push_back(absl::StrCat(
        problem, "\n  when there survived ", survived, ",\n  after ", done,
        " of ", trace_.events.size(), " calls, the last of them: ",
        LastCalls(done), "\n  and ", marks_.size(), " marks",
        marks_.empty() ? "" : ", the last: " + marks_.back()));
  }

  std::string LastCalls(size_t done) const {
    std::vector<std::string> last;
    for (size_t i = done < 6 ? 0 : done - 6; i < done; ++i) {
      last.push_back(trace_.events[i].what);
    }
    return absl::StrJoin(last, "; ");
  }

  // The end is looked at even when a crash could have left the same.
  bool IsNew(const Tree& tree) {
    XXH3_state_t* hash = XXH3_createState();
    XXH3_64bits_reset(hash);
    Digest(tree, 0, hash);
    const size_t tail[] = {marks_.size(), is_the_end_ ? size_t{1} : 0};
    XXH3_64bits_update(hash, tail, sizeof(tail));
    const bool is_new = seen_.insert(XXH3_64bits_digest(hash)).second;
    XXH3_freeState(hash);
    return is_new;
  }

  void Digest(const Tree& tree, ObjectId directory, XXH3_state_t* hash) const {
    const auto found = tree.names.find(directory);
    if (found != tree.names.end()) {
      for (const auto& [name, id] : found->second) {
        XXH3_64bits_update(hash, name.data(), name.size() + 1);
        if (trace_.objects[id].is_directory) {
          Digest(tree, id, hash);
        } else {
          const std::string& content = tree.contents.at(id);
          const size_t size = content.size();
          XXH3_64bits_update(hash, &size, sizeof(size));
          XXH3_64bits_update(hash, content.data(), size);
        }
      }
    }
    XXH3_64bits_update(hash, "/", 2);
  }

  // `made`: where files are by now, for those with several names.
  void Materialise(const Tree& tree, ObjectId directory,
                   const std::string& path,
                   std::map<ObjectId, std::string>* made) const {
    fs::create_directory(path);
    const auto found = tree.names.find(directory);
    if (found != tree.names.end()) {
      for (const auto& [name, id] : found->second) {
        const std::string child = absl::StrCat(path, "/", name);
        if (trace_.objects[id].is_directory) {
          Materialise(tree, id, child, made);
          continue;
        }
        const auto [first, is_first] = made->emplace(id, child);
        if (!is_first) {
          fs::create_hard_link(first->second, child);
          continue;
        }
        WriteFile(child, tree.contents.at(id));
        chmod(child.c_str(), trace_.objects[id].mode);
      }
    }
    chmod(path.c_str(), trace_.objects[directory].mode);
  }

  const Trace& trace_;
  const CrashOptions& options_;
  const CrashCheck& check_;
  std::string scratch_;
  NameHistory names_;
  std::map<ObjectId, FileHistory> files_;
  std::vector<std::string> marks_;
  bool is_the_end_ = false;
  std::set<uint64_t> seen_;
  CrashReport report_;
};

}  // namespace

std::ostream& operator<<(std::ostream& out, const CrashReport& report) {
  out << report.failed << " of " << report.states << " states failed, of "
      << report.calls << " calls";
  for (const std::string& problem : report.problems) out << "\n" << problem;
  return out;
}

CrashReport ReplayCrashes(const Trace& trace, const CrashOptions& options,
                          const CrashCheck& check) {
  if (trace.objects.empty()) {
    CrashReport report;
    report.problems.push_back("nothing was recorded");
    return report;
  }
  return Replay(trace, options, check).Run();
}

}  // namespace muster::test
