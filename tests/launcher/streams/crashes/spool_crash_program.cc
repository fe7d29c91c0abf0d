// An agent that spools, as far as crashes are concerned: what spool_crash_test
// records.
//
//   spool_crash_program DIR drop|block
//
// Streams 0.stdout, 0.stderr and 1.stdout of one node get the bytes of
// LogPattern. Prints, for each stream, what the spool must still have:
//   taken KIND RANK OFFSET     Append took all up to here
//   released KIND RANK OFFSET  and all up to here is acknowledged
//   ended KIND RANK
//   dropping                   from now on the oldest bytes may be gone
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "launcher/streams/record.h"
#include "launcher/streams/spool.h"
#include "tests/support/records/log_pattern.h"

namespace muster::streams {
namespace {

constexpr uint64_t kNearTheBound = 200'000;  // more than any append takes

struct Stream {
  StreamId id;
  test::LogPattern pattern;
  uint64_t offset = 0;
  bool has_ended = false;
};

class Program {
 public:
  Program(const std::string& base, SpoolFull full) {
    SpoolManifest manifest;
    manifest.mutable_introduction()->set_run_id("run");
    manifest.mutable_introduction()->set_workers(2);
    absl::StatusOr<std::unique_ptr<Spool>> spool = Spool::Create(
        {.base = base, .bound = Spool::kLeastBound, .full = full}, manifest);
    if (!spool.ok()) {
      std::fprintf(stderr, "%s\n",
                   std::string(spool.status().message()).c_str());
      std::exit(1);
    }
    spool_ = *std::move(spool);
    for (const auto& [kind, rank] :
         {std::pair(STREAM_STDOUT, 0U), std::pair(STREAM_STDERR, 0U),
          std::pair(STREAM_STDOUT, 1U)}) {
      streams_.push_back(
          {{kind, rank},
           test::LogPattern(
               {.rank = rank, .fd = kind == STREAM_STDERR ? 2 : 1})});
    }
  }

  // A frame with `size` bytes of each of the streams.
  void Append(const std::vector<size_t>& which, size_t size) {
    Chunk chunk;
    std::string bytes(size, '\0');
    for (const size_t i : which) {
      Stream& stream = streams_[i];
      if (stream.has_ended) continue;
      stream.pattern.Fill(stream.offset, bytes.data(), size);
      chunk.AddData(stream.id, stream.offset, bytes);
    }
    if (spool_->segments().bytes() + kNearTheBound > Spool::kLeastBound) {
      std::printf("dropping\n");
      std::fflush(stdout);
    }
    const Spool::Appended appended = spool_->Append(chunk.payload(), {});
    if (appended != Spool::Appended::kYes) return;
    for (const size_t i : which) {
      if (streams_[i].has_ended) continue;
      streams_[i].offset += size;
      Tell("taken", streams_[i]);
    }
    ends_[spool_->segments().end()] = Offsets();
  }

  void End(size_t i) {
    Chunk chunk;
    chunk.AddEnd(streams_[i].id, streams_[i].offset, STREAM_END_CLOSED);
    if (spool_->Append(chunk.payload(), {}) != Spool::Appended::kYes) return;
    streams_[i].has_ended = true;
    std::printf("ended %d %u\n", streams_[i].id.kind, streams_[i].id.rank);
    std::fflush(stdout);
    ends_[spool_->segments().end()] = Offsets();
  }

  // Acknowledges all frames but the last `keep` ones.
  void Release(size_t keep) {
    if (ends_.size() <= keep) return;
    auto last = ends_.end();
    std::advance(last, -static_cast<int>(keep) - 1);
    for (size_t i = 0; i < streams_.size(); ++i) {
      std::printf("released %d %u %llu\n", streams_[i].id.kind,
                  streams_[i].id.rank,
                  static_cast<unsigned long long>(last->second[i]));
    }
    std::fflush(stdout);
    spool_->Release(last->first);
  }

  void Remove() {
    if (!spool_->Remove().ok()) std::exit(1);
  }

 private:
  std::vector<uint64_t> Offsets() const {
    std::vector<uint64_t> offsets;
    for (const Stream& stream : streams_) offsets.push_back(stream.offset);
    return offsets;
  }
  static void Tell(const char* what, const Stream& stream) {
    std::printf("%s %d %u %llu\n", what, stream.id.kind, stream.id.rank,
                static_cast<unsigned long long>(stream.offset));
    std::fflush(stdout);
  }

  std::unique_ptr<Spool> spool_;
  std::vector<Stream> streams_;
  std::map<LogPosition, std::vector<uint64_t>> ends_;  // of frames
};

int Main(const std::string& base, bool drops) {
  Program program(base, drops ? SpoolFull::kDrop : SpoolFull::kBlock);
  for (int round = 0; round < 12; ++round) {
    program.Append({0}, 5000);
    program.Append({1, 2}, 700);
    program.Append({0, 1, 2}, 12'000);
    if (!drops && round % 3 == 2) program.Release(static_cast<size_t>(round));
    if (round == 6) program.End(1);
    if (round < 6) continue;
    program.Append({0}, drops ? 120'000 : 20'000);
  }
  program.End(0);
  program.End(2);
  if (!drops) {
    program.Release(0);
    program.Remove();
  }
  return 0;
}

}  // namespace
}  // namespace muster::streams

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  return muster::streams::Main(argv[1], std::string(argv[2]) == "drop");
}
