// This node's files on their way to the collector: ./logs and ./outputs.
#ifndef MUSTER_LAUNCHER_FILES_NODE_FILES_H_
#define MUSTER_LAUNCHER_FILES_NODE_FILES_H_

#include <grpcpp/channel.h>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "launcher/files/files_link.h"
#include "launcher/files/follower.h"
#include "launcher/files/tree_watch.h"
#include "launcher/files/upload_channel.h"
#include "launcher/files/uploader.h"
#include "proto/collector.pb.h"

namespace muster::files {

struct NodeFilesResult {
  uint64_t files = 0;  // that were sent whole
  uint64_t bytes = 0;  // of these, and of those that were followed
  FileList skipped;    // links, FIFOs, what may not be read: with the reason
  FileList unsent;     // of which the last version is not at the collector
  // "" or why nothing more could be sent.
  std::string problem;
  // What the collector holds of this node; zero where it did not say.
  FileDone held;

  // All that could be sent is at the collector, durable.
  bool IsComplete() const { return problem.empty() && unsent.count == 0; }
};

// Job: send the files of the log and the output directory while workers run,
// and once more when they have ended.
//
//   live --Finish--> followed to the end --> last pass --> FileDone --> on_done
//     \------------------\---Abandon, of no use to try again---\--> on_done
//
// ./logs is followed (follower.h), ./outputs is sent as files are closed
// (uploader.h). A directory that is not there yet, or is replaced, is fine. A
// stream that breaks is opened again for as long as it takes.
//
// Life cycle: Start; Finish once when nobody writes any more; Abandon when
// there is no time left. on_done comes once, after either. Destruction stops it
// at once, without on_done.
// Threads: two of its own, one for ./logs and the stream, one that reads files;
// Start, Finish, Abandon and progress may be called on any other. Callbacks
// come on its threads, and must not destroy it.
// Memory: about 16 MiB while it sends, and 24 bytes for each file sent.
class NodeFiles {
 public:
  struct Options {
    std::string log_dir;
    std::string output_dir;
    std::shared_ptr<grpc::Channel> channel;
    Introduction introduction;
    size_t most_watches = 65536;  // of directories, see TreeWatch
  };
  struct Callbacks {
    std::function<void(NodeFilesResult)> on_done;
    // A line for the log.
    std::function<void(const std::string&)> on_notice;
  };

  NodeFiles(Options options, Callbacks callbacks);
  ~NodeFiles();
  NodeFiles(const NodeFiles&) = delete;
  NodeFiles& operator=(const NodeFiles&) = delete;

  void Start();
  void Finish();
  void Abandon(const std::string& why);

  // Bytes that the collector has acknowledged, each once however often it is
  // sent, of so many that are known of. More are found while it goes on.
  struct Progress {
    uint64_t done = 0;
    uint64_t known = 0;
  };
  Progress progress() const { return {done_bytes_, known_bytes_}; }

 private:
  enum class Phase { kLive, kFollowing, kUploading, kFinishing, kDone };

  void Run();
  void OnEvent(const TreeWatch::Event& event);
  void OnBlind(size_t tree);
  void OnOpen(uint64_t window);
  bool OnMessage(const FileDown& message);
  void OnBroken(const grpc::Status& status);
  void TellTaken();
  bool Next(FileUp* message);
  void AbandonWith(const std::string& problem);
  void Uploaded(UploadResult result);
  void Done();
  void Count();

  const Callbacks callbacks_;
  asio::io_context loop_;
  asio::executor_work_guard<asio::io_context::executor_type> guard_;
  std::atomic<uint64_t> transfers_ = 0;
  std::atomic<uint64_t> done_bytes_ = 0;
  std::atomic<uint64_t> known_bytes_ = 0;

  // The thread of ./logs only.
  Phase phase_ = Phase::kLive;
  bool abandoned_ = false;
  bool finish_sent_ = false;
  bool told_broken_ = false;
  NodeFilesResult result_;

  UploadChannel channel_;
  Uploader uploader_;
  std::unique_ptr<Follower> follower_;
  std::unique_ptr<TreeWatch> watch_;
  std::unique_ptr<FilesLink> link_;
  std::thread thread_;
};

}  // namespace muster::files

#endif  // MUSTER_LAUNCHER_FILES_NODE_FILES_H_
