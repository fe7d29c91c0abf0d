// The files of a node at a collector, as far as crashes are concerned: what
// files_crash_test records.
//
//   files_crash_program DIR
//
// Lives twice, as collector_crash_program does, and prints:
//   stored PATH VERSION
//   followed PATH OFFSET   durable up to here
//   moved FROM TO
#include "tests/launcher/collector/crashes/files_program.h"

#include <fstream>
#include <string>

#include "tests/launcher/collector/crashes/two_lives.h"

namespace muster::collector {
namespace {

// How far the file is followed; the sender's memory, which outlives a
// collector.
struct Followed {
  uint64_t durable = 0;
  std::string path;

  explicit Followed(const std::string& directory)
      : path(directory + ".sender") {
    std::ifstream(path) >> durable;
  }
  void Set(uint64_t offset) {
    durable = offset;
    std::ofstream(path) << offset;
  }
};

void GrowLog(FileNode& node, Followed& followed, int times) {
  for (int i = 0; i < times; ++i) {
    const std::string log = FileContent(3, 0, followed.durable + 900);
    const uint64_t offset =
        node.Grow(1, followed.durable, log.substr(followed.durable));
    if (offset == 0) std::exit(1);
    Say("followed logs/deep/log " + std::to_string(offset));
    followed.Set(offset);
  }
}

void Live(const std::string& directory, int life) {
  FileNode node(directory);
  Followed followed(directory);
  node.Follow(1, "logs/deep/log", followed.durable);
  GrowLog(node, followed, 2);
  const auto send = [&](const std::string& path, int version,
                        const std::string& content) {
    if (!node.Send(path, version, content)) std::exit(1);
    Say("stored " + path + " " + std::to_string(version));
  };
  send("outputs/medium", life, FileContent(1, life, kMediumBytes));
  if (!node.SendPack("outputs/a/b/small", FileContent(2, life, kSmallBytes))) {
    std::exit(1);
  }
  for (int i = 0; i < 3; ++i) {
    Say("stored outputs/a/b/small" + std::to_string(i) + " " +
        std::to_string(life));
  }
  GrowLog(node, followed, 1);
  send("outputs/large", 1, FileContent(4, 1, kLargeBytes));
  if (life == 1) return;
  if (!node.Move("outputs/medium", "outputs/moved/medium")) std::exit(1);
  Say("moved outputs/medium outputs/moved/medium");
}

int Main(const std::string& directory) {
  return LiveTwice([&](int life) { Live(directory, life); });
}

}  // namespace
}  // namespace muster::collector

int main(int argc, char** argv) {
  if (argc != 2) return 64;
  return muster::collector::Main(argv[1]);
}
