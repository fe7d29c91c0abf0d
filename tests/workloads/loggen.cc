// A worker that writes what can be checked byte by byte: see
// tests/support/records/log_pattern.h, and logverify for the other end.
//
//   loggen --bytes 1G                        lines of 100 bytes, at full speed
//   loggen --kind progress --bytes 100k --cells-per-second 1000
//
// The rank is $RANK, else $OMPI_COMM_WORLD_RANK, else 0. SIGTERM ends it after
// the write that it is at, with the report written, by that same signal.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/records/log_check.h"
#include "tests/support/records/log_pattern.h"

namespace {

using muster::test::LogPattern;
using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

volatile sig_atomic_t is_stopped = 0;

struct Settings {
  LogPattern::Options pattern;
  uint64_t bytes = 0;
  size_t block = 65536;             // of one write()
  double megabytes_per_second = 0;  // 0: as fast as it can
  double cells_per_second = 0;      // the same in cells; wins
  bool both = false;                // the same on stderr, in turn
  bool digest = false;
  std::string report;
};

// One descriptor and how far it is.
struct Stream {
  int fd;
  LogPattern pattern;
  uint64_t written = 0;
};

class Generator {
 public:
  explicit Generator(const Settings& settings) : settings_(settings) {
    if (settings.both) {
      Add(1);
      Add(2);
    } else {
      Add(settings.pattern.fd);
    }
    const auto cell = static_cast<double>(streams_[0].pattern.cell_bytes());
    rate_ = settings.cells_per_second > 0 ? settings.cells_per_second * cell
                                          : settings.megabytes_per_second * 1e6;
    block_ = settings.block;
    // A frame each, as a progress bar writes; else some 500 writes a second.
    if (settings.cells_per_second > 0) block_ = static_cast<size_t>(cell);
    if (settings.megabytes_per_second > 0) {
      block_ = std::clamp<size_t>(static_cast<size_t>(rate_ / 500), 1, block_);
    }
    buffer_.resize(block_);
  }

  // Whether all could be written.
  bool Run() {
    begin_ = Clock::now();
    for (uint64_t done = 0; done < settings_.bytes && is_stopped == 0;) {
      const size_t size = static_cast<size_t>(
          std::min<uint64_t>(block_, settings_.bytes - done));
      for (Stream& stream : streams_) {
        if (!Write(&stream, size)) return false;
      }
      done += size;
      if (rate_ > 0) {
        std::this_thread::sleep_until(
            begin_ + std::chrono::duration_cast<Clock::duration>(
                         Seconds(static_cast<double>(done) / rate_)));
      }
    }
    return true;
  }

  nlohmann::json Report() const {
    nlohmann::json report = {
        {"seconds", Seconds(Clock::now() - begin_).count()},
        {"longest_write_seconds", longest_.count()}};
    for (const Stream& stream : streams_) {
      report[stream.fd == 1 ? "stdout" : "stderr"] = stream.written;
    }
    return report;
  }

 private:
  void Add(int fd) {
    LogPattern::Options options = settings_.pattern;
    options.fd = fd;
    streams_.push_back({fd, LogPattern(options)});
  }

  bool Write(Stream* stream, size_t size) {
    stream->pattern.Fill(stream->written, buffer_.data(), size);
    for (size_t done = 0; done < size && is_stopped == 0;) {
      const Clock::time_point before = Clock::now();
      const ssize_t put = write(stream->fd, buffer_.data() + done, size - done);
      longest_ = std::max(longest_, Seconds(Clock::now() - before));
      if (put < 0 && errno != EINTR) return false;
      if (put < 0) continue;
      done += static_cast<size_t>(put);
      stream->written += static_cast<uint64_t>(put);
    }
    return true;
  }

  const Settings& settings_;
  std::vector<Stream> streams_;
  double rate_ = 0;  // bytes per second; 0: as fast as it can
  size_t block_ = 0;
  std::vector<char> buffer_;
  Clock::time_point begin_;
  Seconds longest_{0};
};

uint32_t RankFromEnvironment() {
  for (const char* name : {"RANK", "OMPI_COMM_WORLD_RANK"}) {
    const char* text = std::getenv(name);
    if (text != nullptr) {
      return static_cast<uint32_t>(std::strtoul(text, nullptr, 10));
    }
  }
  return 0;
}

std::optional<int> ParseFlags(int argc, char** argv, Settings* settings) {
  CLI::App app("Writes a stream that logverify can check");
  std::string kind = "records";
  settings->pattern.rank = RankFromEnvironment();
  app.add_option("--kind", kind)
      ->check(CLI::IsMember(muster::test::LogKindNames()));
  app.add_option("--bytes", settings->bytes, "in all, on each descriptor")
      ->required()
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true));
  app.add_option("--rank", settings->pattern.rank);
  app.add_option("--fd", settings->pattern.fd)->check(CLI::Range(1, 2));
  app.add_flag("--both", settings->both, "stdout and stderr");
  app.add_option("--record", settings->pattern.record_bytes)
      ->check(CLI::Range(muster::test::kMinRecordBytes,
                         muster::test::kMaxRecordBytes));
  app.add_option("--block", settings->block, "bytes of one write()")
      ->check(CLI::Range(size_t{1}, size_t{1} << 30));
  app.add_option("--rate", settings->megabytes_per_second, "MB/s")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--cells-per-second", settings->cells_per_second)
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--digest", settings->digest,
               "print the digest of what would be written");
  app.add_option("--report", settings->report, "a JSON file, when all is over");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 64;
  }
  settings->pattern.kind = *muster::test::LogKindOf(kind);
  return std::nullopt;
}

void WriteReport(const std::string& path, const nlohmann::json& report) {
  // Whole or not at all: tests wait for it to be there.
  const std::string part = path + ".part";
  {
    std::ofstream out(part);
    out << report << "\n";
  }
  std::rename(part.c_str(), path.c_str());
}

int Main(int argc, char** argv) {
  Settings settings;
  const std::optional<int> usage = ParseFlags(argc, argv, &settings);
  if (usage.has_value()) return *usage;
  if (settings.digest) {
    std::puts(muster::test::DigestOfPattern(LogPattern(settings.pattern),
                                            settings.bytes)
                  .c_str());
    return 0;
  }
  struct sigaction action = {};
  action.sa_handler = [](int) { is_stopped = 1; };  // and no SA_RESTART
  sigaction(SIGTERM, &action, nullptr);

  Generator generator(settings);
  const bool is_written = generator.Run();
  const int error = errno;
  if (!settings.report.empty()) {
    WriteReport(settings.report, generator.Report());
  }
  if (!is_written) {
    std::fprintf(stderr, "loggen: write: %s\n", std::strerror(error));
    return 1;
  }
  if (is_stopped != 0) {
    std::signal(SIGTERM, SIG_DFL);
    std::raise(SIGTERM);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "loggen: %s\n", error.what());
    return 70;
  }
}
