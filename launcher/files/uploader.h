// The thread that reads files and hands them over.
#ifndef MUSTER_LAUNCHER_FILES_UPLOADER_H_
#define MUSTER_LAUNCHER_FILES_UPLOADER_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "launcher/files/file_plan.h"
#include "launcher/files/file_sender.h"
#include "launcher/files/upload_channel.h"
#include "launcher/files/walk.h"

namespace muster::files {

// A directory of this node, and what its files are called at the collector.
struct Tree {
  std::string directory;  // a link to a directory is followed
  std::string prefix;     // "outputs/" or "logs/"
};

struct ListedFile {
  std::string path;  // as it would be at the collector
  std::string reason;
};

// Of a list that may be long.
struct FileList {
  static constexpr size_t kMostShown = 1000;
  std::vector<ListedFile> shown;
  uint64_t count = 0;

  void Add(const std::string& path, const std::string& reason);
};

struct UploadResult {
  uint64_t files = 0;  // stored, each version of one
  uint64_t bytes = 0;
  FileList skipped;  // no regular files, or not to be read
  FileList unsent;   // of which the last version is not at the collector
};

// What was sent of a file as it grew: the last pass compares it.
struct FollowedContent {
  uint64_t size = 0;
  std::string digest;
};

// Job: send files through a channel: those it is told of as soon as they are
// due, and at the end all that are below its trees. Decisions are FilePlan's.
// Life cycle: Start; what changes is noticed; Finish once, or Abandon; on_done
// comes once after either. Destruction stops it at once.
// Threads: one of its own reads; the functions may be called on any. Callbacks
// come on its own thread.
// Ownership: the channel must outlive it.
// Memory: some megabytes for buffers, and what FilePlan needs.
class Uploader {
 public:
  struct Callbacks {
    std::function<void(UploadResult)> on_done;
    // For the log: once for each kind of trouble.
    std::function<void(const std::string&)> on_notice;
  };

  Uploader(UploadChannel& channel, std::vector<Tree> trees,
           Callbacks callbacks);
  ~Uploader();
  Uploader(const Uploader&) = delete;
  Uploader& operator=(const Uploader&) = delete;

  void Start();

  // Paths are those at the collector.
  // Its writer closed it, or it got this name.
  void Closed(const std::string& path);
  // A directory is there, with files of which nothing is known; the prefix
  // alone for a whole tree.
  void Appeared(const std::string& directory);
  // From now on look for changes every so often, since nobody tells.
  void Rescan(const std::string& prefix);

  // Nobody writes any more: sends what there is and was not sent. A file of
  // which this content was followed needs no sending when it is that.
  void Finish(std::map<std::string, FollowedContent> followed);
  // Sends nothing more; after Finish or in its place. Lists what is unsent:
  // not what was followed up to its size.
  void Abandon(std::map<std::string, FollowedContent> followed);

  struct Progress {
    uint64_t done = 0;   // bytes that were acknowledged, each once
    uint64_t known = 0;  // of so many
  };
  Progress progress() const;

 private:
  struct Walking {
    const Tree* tree;
    std::string directory;  // relative to the tree
    process::UniqueFd root;
    std::unique_ptr<Walk> walk;
    // What marks completeness, until all else was found.
    std::deque<FilePlan::Notice> markers = {};
  };
  struct Rescanned {
    const Tree* tree;
    Duration pause;
    Instant due;
  };

  void Run();
  bool Step();
  std::optional<Instant> NextDue() const;
  void StepWalk();
  void StartDueRescans();
  void StartWalk(const Tree& tree, const std::string& directory);
  void Found(Walking& walking, const Walk::Entry& entry);
  void Handle(const FilePlan::Candidate& candidate);
  void Send(const FilePlan::Candidate& candidate, const SourceFile& file);
  bool WasFollowed(const std::string& path, const SourceFile& file);
  void ListUnstable(const std::string& path);
  void FlushPack();
  void TakeAnswer(const UploadChannel::Answer& answer);
  void StartLastPass();
  void Finished();
  const Tree* TreeOf(const std::string& path) const;
  int RootOf(const Tree& tree);

  UploadChannel& channel_;
  const std::vector<Tree> trees_;
  const Callbacks callbacks_;
  std::atomic<uint64_t> waiting_bytes_ = 0;

  // The uploader's thread only.
  FilePlan plan_;
  Packer pack_;
  std::deque<Walking> walks_;
  std::vector<Rescanned> rescans_;
  struct Root {
    process::UniqueFd fd;
    Instant opened;
  };
  std::map<const Tree*, Root> roots_;
  std::map<std::string, FollowedContent> followed_;
  UploadResult result_;
  bool finishing_ = false;
  bool abandoned_ = false;
  bool finished_ = false;

  std::thread thread_;
};

}  // namespace muster::files

#endif  // MUSTER_LAUNCHER_FILES_UPLOADER_H_
