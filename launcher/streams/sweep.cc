#include "launcher/streams/sweep.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace muster::streams {
namespace {

// What the collector accepts.
constexpr size_t kMaxPathBytes = 4095;
constexpr size_t kMaxPathDepth = 64;

// Chunks, or entries that are no files, per turn: the loop has other work.
constexpr int kStepsPerTurn = 16;

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

struct Level {
  std::unique_ptr<DIR, CloseDirectory> directory;
  std::string path;  // ends with "/"
};

const char* KindOf(mode_t mode) {
  if (S_ISLNK(mode)) return "a symbolic link";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

}  // namespace

class Sweep::Walk : public std::enable_shared_from_this<Walk> {
 public:
  Walk(asio::io_context& loop, Delivery& delivery, Tree tree, OnDone on_done)
      : loop_(loop),
        delivery_(delivery),
        tree_(std::move(tree)),
        on_done_(std::move(on_done)) {}
  ~Walk() { CloseFile(); }

  void Start() {
    const int fd = open(tree_.directory.c_str(),
                        O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) {
      Enter(fd, tree_.prefix);
    } else if (errno != ENOENT) {
      Skip(tree_.prefix, std::strerror(errno));
    }
    Schedule();
  }

  void Schedule() {
    if (scheduled_ || stopped_) return;
    scheduled_ = true;
    asio::post(loop_, [self = shared_from_this()] { self->Turn(); });
  }

  void Stop() { stopped_ = true; }

 private:
  struct File {
    int fd;
    std::string path;
    uint64_t size;  // when it was opened
    mode_t mode;
    uint64_t sent = 0;
  };

  void Turn() {
    scheduled_ = false;
    for (int step = 0; !stopped_ && step < kStepsPerTurn; ++step) {
      if (!delivery_.IsOpen()) return Finish(false);
      if (delivery_.Full()) return;  // until Resume
      if (file_) {
        SendChunk();
      } else if (!levels_.empty()) {
        NextEntry();
      } else {
        return Finish(true);
      }
    }
    Schedule();
  }

  void Finish(bool delivered) {
    stopped_ = true;
    result_.delivered = delivered;
    on_done_(result_);
  }

  void Enter(int fd, std::string path) {
    DIR* const directory = fdopendir(fd);
    if (directory == nullptr) {
      Skip(path, std::strerror(errno));
      close(fd);
      return;
    }
    levels_.push_back(
        {std::unique_ptr<DIR, CloseDirectory>(directory), std::move(path)});
  }

  void NextEntry() {
    Level& level = levels_.back();
    errno = 0;
    const dirent* const entry = readdir(level.directory.get());
    if (entry == nullptr) {
      if (errno != 0) Skip(level.path, std::strerror(errno));
      levels_.pop_back();
      return;
    }
    const std::string name = entry->d_name;
    if (name != "." && name != "..") {
      Open(dirfd(level.directory.get()), name, level.path + name);
    }
  }

  void Open(int directory, const std::string& name, const std::string& path) {
    const size_t depth = levels_.size() + 1;  // the prefix is one
    if (depth > kMaxPathDepth) return Skip(path, "over 64 directories deep");
    if (path.size() > kMaxPathBytes) return Skip(path, "a path too long");
    // Looked at before it is opened: opening a device or a FIFO does things.
    struct stat found;
    if (fstatat(directory, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) {
      return Skip(path, std::strerror(errno));
    }
    if (!S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode)) {
      return Skip(path, KindOf(found.st_mode));
    }
    const int fd =
        openat(directory, name.c_str(),
               O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return Skip(path, std::strerror(errno));
    // It may be another file by now.
    if (fstat(fd, &found) == 0 && S_ISDIR(found.st_mode)) {
      return Enter(fd, path + "/");
    }
    if (!S_ISREG(found.st_mode)) {
      close(fd);
      return Skip(path, "changed its kind");
    }
    file_ = File{fd, path, static_cast<uint64_t>(found.st_size), found.st_mode};
  }

  void SendChunk() {
    const size_t wanted = static_cast<size_t>(
        std::min<uint64_t>(buffer_.size(), file_->size - file_->sent));
    ssize_t got = 0;
    do {
      got = read(file_->fd, buffer_.data(), wanted);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
      Skip(file_->path, absl::StrCat(std::strerror(errno), " after ",
                                     file_->sent, " bytes"));
      return CloseFile();
    }
    FileChunk chunk;
    chunk.set_path(file_->path);
    chunk.set_offset(file_->sent);
    chunk.set_data(buffer_.data(), static_cast<size_t>(got));
    chunk.set_mode(file_->mode & 07777);
    file_->sent += static_cast<uint64_t>(got);
    chunk.set_last(got == 0 || file_->sent == file_->size);
    const bool last = chunk.last();
    delivery_.SendFileChunk(std::move(chunk));
    if (!last) return;
    ++result_.files;
    result_.bytes += file_->sent;
    CloseFile();
  }

  void CloseFile() {
    if (file_) close(file_->fd);
    file_.reset();
  }

  void Skip(const std::string& path, std::string reason) {
    ++result_.skipped_count;
    if (result_.skipped.size() < kMaxListed) {
      result_.skipped.push_back({path, std::move(reason)});
    }
  }

  asio::io_context& loop_;
  Delivery& delivery_;
  const Tree tree_;
  OnDone on_done_;
  std::vector<Level> levels_;  // from the top to where we are
  std::optional<File> file_;   // being sent
  std::array<char, Delivery::kMaxChunk> buffer_;
  SweepResult result_;
  bool scheduled_ = false;
  bool stopped_ = false;
};

Sweep::Sweep(asio::io_context& loop, Delivery& delivery, Tree tree,
             OnDone on_done)
    : walk_(std::make_shared<Walk>(loop, delivery, std::move(tree),
                                   std::move(on_done))) {
  walk_->Start();
}

Sweep::~Sweep() { walk_->Stop(); }

void Sweep::Resume() { walk_->Schedule(); }

}  // namespace muster::streams
