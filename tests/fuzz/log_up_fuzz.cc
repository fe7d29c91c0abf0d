// What nodes say on Collector.Logs, in any order, with commits and restarts of
// the collector between. An input is a list of steps: a byte that says which,
// and for a message its length (two bytes, the low one first) and its bytes.
#include <fcntl.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

#include "launcher/collector/log_intake.h"
#include "launcher/collector/names.h"
#include "launcher/collector/node_key.h"
#include "launcher/collector/run.h"
#include "tests/fuzz/target.h"

namespace muster::collector {
namespace {

using test::Require;

// Each node makes files.
constexpr uint32_t kMostWorkers = 4;
constexpr int kMostSteps = 60;

// What one stream's file must hold.
struct Expected {
  std::string bytes;
  uint64_t position = 0;
};
using Model = std::map<std::string, Expected>;  // by path

class Play {
 public:
  Play() {
    std::string name =
        (std::filesystem::temp_directory_path() / "muster-fuzz-XXXXXX")
            .string();
    Require(mkdtemp(name.data()) != nullptr, "there is a directory");
    path_ = name + "/run";
    base_ = name;
    std::filesystem::create_directory(path_);
    const Fd root(open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    Require(Run::Create(root.get(), path_, Key()).ok(), "a run is made");
    Restart();
  }
  ~Play() {
    intake_.reset();
    run_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(base_, ignored);
  }

  // Consumes one step; false at the end.
  bool Step(std::string* input) {
    if (input->empty()) return false;
    const char kind = (*input)[0];
    input->erase(0, 1);
    switch (kind) {
      case 'c':
        Commit();
        return true;
      case 'r':
        Restart();
        return true;
      case 'n':
        Connect();
        return true;
      default:
        return TakeMessage(input);
    }
  }

  void Check() const {
    for (const auto& [path, expected] : now_) {
      std::ostringstream bytes;
      bytes << std::ifstream(path_ + "/" + path, std::ios::binary).rdbuf();
      Require(bytes.str() == expected.bytes,
              "a log holds what was taken, in its order");
    }
    Require(!std::filesystem::exists(base_ + "/logs"), "nothing is outside");
  }

 private:
  static std::string Key() { return std::string(kKeyBytes, 'k'); }

  void Connect() {
    intake_.emplace([this](const Introduction& introduction) {
      return Admit(introduction);
    });
    node_.reset();
  }

  void Restart() {
    Connect();
    run_.reset();
    auto run = Run::Open(path_, {.cache = &cache_});
    Require(run.ok(), "a run can be opened again");
    run_ = *std::move(run);
    now_ = durable_;
    nodes_ = durable_nodes_;
    places_ = durable_places_;
    Check();
  }

  void Commit() {
    const LogChanges changes = run_->logs().TakeChanges();
    if (changes.empty()) return;
    Require(run_->Commit(changes).ok(), "what was taken can be committed");
    durable_ = now_;
    durable_nodes_ = nodes_;
    durable_places_ = places_;
  }

  absl::StatusOr<LogIntake::Admitted> Admit(const Introduction& said) {
    if (said.workers() > kMostWorkers) {
      return absl::InvalidArgumentError("too many files for a fuzzer");
    }
    // With the key that no fuzzer finds.
    Introduction introduction = said;
    introduction.set_key(
        NodeKey(Key(), {said.node_rank(), said.attempt(), said.first_rank(),
                        said.workers(), said.world_size()}));
    const absl::Status authorized = run_->Authorize(introduction);
    if (!authorized.ok()) return authorized;
    const absl::StatusOr<uint32_t> node = run_->Enter(introduction);
    Require(node.ok(), "an authorized node enters");
    node_ = introduction;
    // Nodes are counted as they come; those of one place by their incarnation.
    auto& incarnations =
        places_[{introduction.attempt(), introduction.node_rank()}];
    if (*node >= nodes_) {
      nodes_ = *node + 1;
      ++incarnations;
    }
    generation_ = incarnations - 1;
    return LogIntake::Admitted{.run = run_, .node = *node};
  }

  bool TakeMessage(std::string* input) {
    if (input->size() < 2) return false;
    const size_t size = static_cast<uint8_t>((*input)[0]) |
                        size_t{static_cast<uint8_t>((*input)[1])} << 8;
    const std::string bytes = input->substr(2, size);
    input->erase(0, 2 + size);
    LogUp message;
    if (!message.ParseFromString(bytes)) return true;
    const absl::Status taken = intake_->Take(message);
    if (taken.ok()) {
      Note(message);
    } else {
      Require(taken.message().size() < 2000, "an error stays readable");
      Connect();  // the stream has ended
    }
    return true;
  }

  // What a message that was taken means.
  void Note(const LogUp& message) {
    if (message.has_data()) {
      Expected& stream = Of(message.data().stream());
      Require(message.data().offset() == stream.position, "data follows");
      stream.bytes += message.data().data();
      stream.position += message.data().data().size();
    } else if (message.has_gap()) {
      Expected& stream = Of(message.gap().stream());
      Require(message.gap().offset() == stream.position, "a gap follows");
      stream.position += message.gap().length();
    } else if (message.has_end()) {
      Require(message.end().offset() == Of(message.end().stream()).position,
              "an end is at the end");
    }
  }

  // A stream of the node that is speaking.
  Expected& Of(const StreamName& name) {
    Require(node_.has_value(), "only who is introduced is heard");
    Require(name.kind() == STREAM_AGENT ||
                (name.rank() >= node_->first_rank() &&
                 name.rank() - node_->first_rank() < node_->workers()),
            "a node writes its own ranks only");
    JournalNode node;
    node.set_attempt(node_->attempt());
    node.set_node_rank(node_->node_rank());
    node.set_world_size(node_->world_size());
    return now_[LogPath(node, generation_, name)];
  }

  std::string base_;
  std::string path_;
  FileCache cache_{3};
  std::shared_ptr<Run> run_;
  std::optional<LogIntake> intake_;
  std::optional<Introduction> node_;
  // The nodes that the run knows; of each place how many, and which one of them
  // speaks.
  uint32_t nodes_ = 0;
  std::map<std::pair<uint32_t, uint32_t>, size_t> places_;
  size_t generation_ = 0;
  uint32_t durable_nodes_ = 0;
  std::map<std::pair<uint32_t, uint32_t>, size_t> durable_places_;
  Model now_;
  Model durable_;
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
