// What nodes say on Collector.Files, in any order, with the disk's work, new
// streams and restarts of the collector between. An input is a list of steps: a
// byte that says which, and for a message its length (two bytes, the low one
// first) and its bytes. Checksums and digests are set right, since no fuzzer
// finds them, but for a message 'x', which is taken as it is.
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "launcher/collector/file_intake.h"
#include "launcher/framing/digest.h"
#include "tests/fuzz/target.h"
#include "tests/launcher/collector/files_server.h"

namespace muster::collector {
namespace {

using test::Require;
namespace fs = std::filesystem;

constexpr int kMostSteps = 60;
// A hole takes time for each of its bytes.
constexpr uint64_t kMostBytes = 1 << 20;

std::string ContentOf(const fs::path& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return bytes.str();
}

std::string DigestOf(const std::string& bytes) {
  framing::Digest digest;
  digest.Update(bytes);
  return digest.Value();
}

// One transfer of a stream, as its sender knows it.
struct Transfer {
  std::string target;
  std::string version;  // which part it is
  std::string bytes;
};

class Play {
 public:
  Play() {
    std::string name =
        (fs::temp_directory_path() / "muster-fuzz-XXXXXX").string();
    Require(mkdtemp(name.data()) != nullptr, "there is a directory");
    base_ = name;
    // What a run must never reach.
    fs::create_directory(base_ + "/outside");
    for (const char* const node : {"node0", "node1"}) {
      const std::string outputs =
          absl::StrCat(base_, "/run/nodes/", node, "/outputs");
      fs::create_directories(outputs);
      fs::create_directory_symlink(base_ + "/outside", outputs + "/link");
    }
    Restart();
  }
  ~Play() {
    intake_.reset();
    run_.reset();
    std::error_code ignored;
    fs::remove_all(base_, ignored);
  }

  // Consumes one step; false at the end.
  bool Step(std::string* input) {
    if (input->empty()) return false;
    const char kind = (*input)[0];
    input->erase(0, 1);
    switch (kind) {
      case 'w':
        Work(intake_->TakeWork());
        return true;
      case 'v':
        Work(intake_->TakeVerification());
        return true;
      case 'g':  // the stream ends while the work goes on
        Outlive(intake_->TakeWork());
        return true;
      case 'n':
      case 'N':
        Connect(kind == 'N');
        return true;
      case 'r':
        Restart();
        return true;
      default:
        return TakeMessage(input, kind != 'x');
    }
  }

  void Check() const {
    for (const auto& [target, bytes] : published_) {
      if (wild_.count(target) == 0) {
        Require(ContentOf(base_ + "/run/" + target) == bytes,
                "a published file holds what was sent");
      }
    }
    Require(fs::is_empty(base_ + "/outside"), "nothing is outside");
    for (const auto& entry : fs::directory_iterator(base_)) {
      const std::string name = entry.path().filename();
      Require(name == "run" || name == "outside", "nothing is outside");
    }
    for (const auto& entry : fs::recursive_directory_iterator(base_ + "/run")) {
      const std::string path =
          entry.path().lexically_relative(base_ + "/run").string();
      if (!entry.is_regular_file() || absl::StartsWith(path, ".muster/")) {
        continue;
      }
      Require(asked_.count(path) == 1, "a file was asked for");
    }
  }

 private:
  void Connect(uint32_t node) {
    intake_.reset();
    open_.clear();
    used_.clear();
    whole_.clear();
    node_ = node;
    intake_ = std::make_unique<FileIntake>(*run_->store, node);
    intake_->TakeAnswers();
  }

  void Restart() {
    intake_.reset();
    run_.reset();
    run_ = std::make_unique<TestRun>(base_ + "/run");
    Connect(0);
  }

  void Work(std::unique_ptr<FileWork> work) {
    if (!work) return;
    FileWork* const works[] = {work.get()};
    RunFileWork(works);
    const absl::Status done = intake_->Done(std::move(work));
    Require(done.ok(), "a disk that is well is no reason to end a stream");
    TakeAnswers();
    Check();
  }

  void Outlive(std::unique_ptr<FileWork> work) {
    // What it publishes is not answered.
    for (const auto& [transfer, file] : whole_) wild_.insert(file.target);
    Connect(node_);
    if (!work) return;
    FileWork* const works[] = {work.get()};
    RunFileWork(works);
    FileIntake::GiveUp(*run_->store, std::move(work));
    Check();
  }

  std::string TargetOf(const std::string& path) const {
    return absl::StrCat("nodes/node", node_, "/", path);
  }

  bool TakeMessage(std::string* input, bool sealed) {
    if (input->size() < 2) return false;
    const size_t size = static_cast<uint8_t>((*input)[0]) |
                        size_t{static_cast<uint8_t>((*input)[1])} << 8;
    FileUp message;
    const bool parsed = message.ParseFromString(input->substr(2, size));
    input->erase(0, 2 + size);
    if (!parsed || IsLarge(message) || !AreNew(message)) return true;
    Note(message, sealed);
    if (sealed) Seal(&message);
    absl::Status taken = intake_->Take(message);
    while (taken.ok() && intake_->busy()) taken = intake_->Continue();
    if (!taken.ok()) {
      Require(taken.message().size() < 2000, "an error stays readable");
      Outlive(nullptr);
      return true;
    }
    if (sealed) Taken(message);
    TakeAnswers();
    return true;
  }

  static bool IsLarge(const FileUp& message) {
    return message.data().offset() > kMostBytes ||
           message.close().size() > kMostBytes ||
           message.open().offset() > kMostBytes;
  }

  // Whether each transfer that begins is a new one. Of others it is not known
  // which is meant by an answer.
  bool AreNew(const FileUp& message) {
    if (message.has_open())
      return used_.insert(message.open().transfer()).second;
    if (message.has_move())
      return used_.insert(message.move().transfer()).second;
    bool all_new = true;
    for (const SmallFile& file : message.pack().files()) {
      all_new = used_.insert(file.transfer()).second && all_new;
    }
    return all_new;
  }

  // Which files may come of it; of those that are wild nobody knows what they
  // hold.
  void Note(const FileUp& message, bool sealed) {
    const auto ask = [this](const std::string& path, bool is_wild) {
      const std::string target = TargetOf(path);
      asked_.insert(target);
      if (is_wild) wild_.insert(target);
    };
    if (message.has_open()) {
      ask(message.open().path(), !sealed || message.open().follow());
    }
    if (message.has_move()) {
      ask(message.move().from(), true);
      ask(message.move().to(), true);
    }
    for (const SmallFile& file : message.pack().files()) {
      ask(file.path(), !sealed);
    }
    if (sealed) return;
    for (const auto& [transfer, file] : open_) wild_.insert(file.target);
  }

  void Seal(FileUp* message) const {
    if (message->has_data()) {
      FileData* data = message->mutable_data();
      data->set_checksum(framing::Checksum(data->data()));
    }
    if (message->has_close()) {
      FileClose* close = message->mutable_close();
      const auto found = open_.find(close->transfer());
      if (found != open_.end()) {
        close->set_digest(DigestOf(Padded(found->second.bytes, close->size())));
      }
    }
    if (message->has_pack()) {
      for (SmallFile& file : *message->mutable_pack()->mutable_files()) {
        file.set_checksum(framing::Checksum(file.data()));
      }
    }
  }

  static std::string Padded(std::string bytes, uint64_t size) {
    if (size > bytes.size()) bytes.resize(size);
    return bytes;
  }

  // What a message means unless its answer is a refusal.
  void Taken(const FileUp& message) {
    if (message.has_open() && !message.open().follow()) {
      open_[message.open().transfer()] = {
          .target = TargetOf(message.open().path()),
          .version =
              absl::StrCat(TargetOf(message.open().path()), "\n",
                           message.open().version().SerializeAsString())};
    }
    if (const auto found = open_.find(message.data().transfer());
        message.has_data() && found != open_.end()) {
      std::string& bytes = found->second.bytes;
      bytes = Padded(std::move(bytes), message.data().offset());
      bytes += message.data().data();
      parts_[found->second.version] = bytes;
    }
    if (const auto found = open_.find(message.close().transfer());
        message.has_close() && found != open_.end()) {
      found->second.bytes =
          Padded(std::move(found->second.bytes), message.close().size());
      whole_.insert(open_.extract(found));
    }
    if (message.has_abandon()) open_.erase(message.abandon().transfer());
    if (message.has_finish()) open_.clear();
    for (const SmallFile& file : message.pack().files()) {
      whole_[file.transfer()] = {.target = TargetOf(file.path()),
                                 .bytes = file.data()};
    }
  }

  void TakeAnswers() {
    for (const FileDown& down : intake_->TakeAnswers()) {
      if (down.has_opened()) Opened(down.opened());
      for (const uint64_t transfer : down.outcomes().stored()) {
        if (auto whole = whole_.extract(transfer); !whole.empty()) {
          published_[whole.mapped().target] = whole.mapped().bytes;
        }
      }
      for (const FileRefused& refused : down.outcomes().refused()) {
        Require(refused.message().size() < 2000, "an error stays readable");
        Require(!refused.message().empty() && refused.code() != 0,
                "a refusal has its reason");
        open_.erase(refused.transfer());
        whole_.erase(refused.transfer());
      }
    }
  }

  void Opened(const FileOpened& opened) {
    const auto found = open_.find(opened.transfer());
    if (found == open_.end()) return;
    const std::string& before = parts_[found->second.version];
    Require(opened.offset() <= before.size(),
            "no more is there than what was sent");
    found->second.bytes = before.substr(0, opened.offset());
  }

  std::string base_;
  std::unique_ptr<TestRun> run_;
  std::unique_ptr<FileIntake> intake_;
  uint32_t node_ = 0;
  // Of this stream: which were named, are open, and are closed but not stored.
  std::set<uint64_t> used_;
  std::map<uint64_t, Transfer> open_;
  std::map<uint64_t, Transfer> whole_;
  // Of the run, by path in it; parts by their version.
  std::map<std::string, std::string> parts_;
  std::map<std::string, std::string> published_;
  std::set<std::string> asked_;
  std::set<std::string> wild_;
};

}  // namespace
}  // namespace muster::collector

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string input = muster::test::Text(data, size);
  muster::collector::Play play;
  for (int i = 0; i < muster::collector::kMostSteps && play.Step(&input); ++i) {
  }
  play.Check();
  return 0;
}
