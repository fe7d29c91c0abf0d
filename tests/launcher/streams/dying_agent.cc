// An agent as far as its output goes, to be killed: see leftovers_test.cc.
//
//   dying_agent spool BASE        writes a spool
//   dying_agent outflow BASE PORT sends it to a collector meanwhile
//
// Appends 20 MB of Noise(.., 42) to rank 5's standard output, and says on its
// own, as 8 bytes, how far it has come each time.
#include <unistd.h>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "launcher/streams/outflow.h"
#include "rendezvous/transport.h"
#include "tests/launcher/streams/sender.h"

namespace muster::streams {
namespace {

constexpr StreamId kOut = {.kind = STREAM_STDOUT, .rank = 5};
constexpr size_t kStep = 50'000;

void Say(uint64_t bytes) {
  if (write(STDOUT_FILENO, &bytes, sizeof bytes) != sizeof bytes) abort();
}

Introduction Node() {
  Introduction node;
  node.set_run_id("killed");
  node.set_first_rank(5);
  node.set_workers(1);
  return node;
}

int WriteSpool(const std::string& base, const std::string& bytes) {
  SpoolManifest manifest;
  *manifest.mutable_introduction() = Node();
  const auto spool = *Spool::Create({.base = base}, manifest);
  for (size_t at = 0; at < bytes.size(); at += kStep) {
    Chunk chunk;
    chunk.AddData(kOut, at, absl::string_view(bytes).substr(at, kStep));
    if (spool->Append(chunk.payload(), {}) != Spool::Appended::kYes) return 1;
    Say(at + kStep);
  }
  return 0;
}

int Send(const std::string& base, int port, const std::string& bytes) {
  asio::io_context loop;
  const auto work = asio::make_work_guard(loop);
  bool done = false;
  const auto outflow = *Outflow::Open(
      loop, {.spool = {.base = base}, .introduction = Node()},
      rendezvous::Dial("127.0.0.1", port, rendezvous::Credentials::Insecure(),
                       rendezvous::ChannelUse::kBulk),
      {.on_pause = [](bool) {},
       .on_notice =
           [](const std::string& line) {
             std::fprintf(stderr, "%s\n", line.c_str());
           },
       .on_done = [&](const OutflowResult&) { done = true; }});
  for (size_t at = 0; at < bytes.size(); at += kStep) {
    outflow->Append(kOut, absl::string_view(bytes).substr(at, kStep));
    // What is acknowledged was in the spool. Waiting for it is what brings
    // the releases about that a test wants to see.
    while (outflow->progress().waiting_bytes > 1'000'000) {
      loop.poll();
      usleep(100);
    }
    Say(outflow->progress().acknowledged_bytes);
  }
  outflow->Finish();
  while (!done) loop.run_one();
  return 0;
}

}  // namespace
}  // namespace muster::streams

int main(int argc, char** argv) {
  using muster::streams::Noise;
  if (argc < 3) return 2;
  const std::string bytes = Noise(20'000'000, 42);
  if (argc == 3) return muster::streams::WriteSpool(argv[2], bytes);
  return muster::streams::Send(argv[2], atoi(argv[3]), bytes);
}
