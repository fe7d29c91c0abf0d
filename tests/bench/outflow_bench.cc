// How fast one worker's output gets from its pipe to a collector: a writer of
// short lines, an agent with a spool, and a collector, each a process, with
// mutual TLS between the last two.
//
//   outflow_bench [MIB [LINE_BYTES [WRITE_BYTES [SPOOL_DIR]]]]
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "launcher/streams/outflow.h"
#include "launcher/streams/pipe_reader.h"
#include "rendezvous/credentials.h"
#include "rendezvous/transport.h"
#include "tests/launcher/streams/fake_collector.h"

namespace muster::streams {
namespace {

struct Pipe {
  Pipe() {
    if (pipe2(ends, O_CLOEXEC) != 0) abort();
  }
  int ends[2];
};

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) +
         static_cast<double>(time.tv_usec) / 1e6;
}

double CpuSeconds(int who) {
  rusage usage;
  getrusage(who, &usage);
  return Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
}

rendezvous::Credentials Key() {
  return *rendezvous::Credentials::FromToken(
      rendezvous::Token("muster-a-token-for-a-benchmark"), "bench");
}

[[noreturn]] void Collect(int say_port) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  rendezvous::PrepareProcess().IgnoreError();
  FakeCollector collector(/*keep=*/false);
  rendezvous::ListeningServer server =
      *rendezvous::Listen("127.0.0.1", 0, Key(), {&collector});
  if (write(say_port, &server.port, sizeof server.port) < 0) abort();
  while (!collector.done()) usleep(10'000);
  usleep(100'000);  // for the stream's end
  std::printf("collector: %.2f s of CPU\n", CpuSeconds(RUSAGE_SELF));
  std::fflush(stdout);
  _exit(0);
}

[[noreturn]] void WriteLines(int to, uint64_t bytes, size_t line,
                             size_t at_once) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::string block;
  while (block.size() < at_once) block += std::string(line - 1, 'x') + "\n";
  for (uint64_t done = 0; done < bytes;) {
    const ssize_t wrote =
        write(to, block.data(), std::min<uint64_t>(at_once, bytes - done));
    if (wrote <= 0) break;
    done += static_cast<uint64_t>(wrote);
  }
  _exit(0);
}

int Run(uint64_t bytes, size_t line, size_t at_once, const std::string& base) {
  Pipe port_pipe;
  if (fork() == 0) Collect(port_pipe.ends[1]);
  Pipe lines;
  int port = 0;
  if (read(port_pipe.ends[0], &port, sizeof port) != sizeof port) return 1;
  if (fork() == 0) WriteLines(lines.ends[1], bytes, line, at_once);
  close(lines.ends[1]);

  rendezvous::PrepareProcess().IgnoreError();
  asio::io_context loop;
  auto work = asio::make_work_guard(loop);
  std::optional<OutflowResult> result;
  std::optional<PipeReader> reader;
  int pauses = 0;
  OutflowOptions options;
  options.spool.base = base;
  options.introduction.set_run_id("bench");
  const auto start = std::chrono::steady_clock::now();
  auto outflow = *Outflow::Open(
      loop, options,
      rendezvous::Dial("127.0.0.1", port, Key(), rendezvous::ChannelUse::kBulk),
      {.on_pause =
           [&](bool paused) {
             pauses += paused;
             if (reader) paused ? reader->Pause() : reader->Resume();
           },
       .on_notice =
           [](const std::string& text) {
             std::printf("notice: %s\n", text.c_str());
           },
       .on_done = [&](const OutflowResult& got) { result = got; }});
  static ReadBuffer buffer;
  constexpr StreamId kStream = {.kind = STREAM_STDOUT};
  double read_seconds = 0;
  const auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() -
                                         start)
        .count();
  };
  reader.emplace(
      loop, buffer, lines.ends[0],
      PipeReader::Callbacks{
          [&](absl::string_view got) { outflow->Append(kStream, got); },
          [&] {
            read_seconds = elapsed();
            outflow->End(kStream, STREAM_END_CLOSED);
            outflow->Finish();
          }});
  while (!result) loop.run_one();
  const double seconds = elapsed();
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  std::printf(
      "%.0f MB: read after %.2f s, acknowledged after %.2f s: %.0f MB/s; "
      "%d pauses; agent: %.2f s of CPU, %ld MiB resident at most%s%s\n",
      static_cast<double>(bytes) / 1e6, read_seconds, seconds,
      static_cast<double>(bytes) / 1e6 / seconds, pauses,
      CpuSeconds(RUSAGE_SELF), usage.ru_maxrss / 1024,
      result->done && result->done->gap_bytes() > 0 ? "; with gaps" : "",
      result->problem.c_str());
  std::fflush(stdout);
  outflow.reset();
  while (wait(nullptr) > 0) continue;
  std::printf("children: %.2f s of CPU\n", CpuSeconds(RUSAGE_CHILDREN));
  return result->done ? 0 : 1;
}

}  // namespace
}  // namespace muster::streams

int main(int argc, char** argv) {
  const auto argument = [&](int i, uint64_t otherwise) {
    return argc > i ? std::strtoull(argv[i], nullptr, 10) : otherwise;
  };
  const std::string base =
      argc > 4
          ? argv[4]
          : (std::filesystem::temp_directory_path() / "outflow-bench").string();
  const int result = muster::streams::Run(
      argument(1, 1024) << 20, argument(2, 100), argument(3, 8192), base);
  std::error_code ignored;
  std::filesystem::remove(base, ignored);
  return result;
}
