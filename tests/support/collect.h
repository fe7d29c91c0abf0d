// A collector of its own and the workers whose output it takes: what the tests
// of the guarantee start from.
#ifndef MUSTER_TESTS_SUPPORT_COLLECT_H_
#define MUSTER_TESTS_SUPPORT_COLLECT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/files.h"
#include "tests/support/muster.h"
#include "tests/support/records/log_check.h"
#include "tests/support/records/log_pattern.h"
#include "tests/support/subprocess.h"

namespace muster::test {

// For what moves megabytes, or waits for a connection to be tried again.
inline constexpr absl::Duration kLater = absl::Seconds(60);

// A port of 127.0.0.1 that a server may listen on, again and again, while
// nobody else is given it. Without a server, connections are refused.
class HeldPort {
 public:
  HeldPort();
  ~HeldPort();
  HeldPort(const HeldPort&) = delete;
  HeldPort& operator=(const HeldPort&) = delete;

  uint16_t number() const { return number_; }

 private:
  int fd_ = -1;
  uint16_t number_ = 0;
};

// muster collect --dir DIRECTORY, always on the same port, whether it runs or
// not. Knows the token kToken.
class CollectorProcess {
 public:
  // With `token` "" it knows none.
  explicit CollectorProcess(std::string directory, std::string token = kToken);

  const std::string& directory() const { return directory_; }
  // "127.0.0.1:PORT"
  std::string address() const;
  uint16_t port() const { return port_.number(); }

  // The command as it is started; `prefix` goes before it, such as strace's.
  Command CommandLine(const std::vector<std::string>& prefix = {}) const;

  // Starts it and waits until it says that it listens.
  ::testing::AssertionResult Start(
      const std::map<std::string, std::string>& env = {},
      const std::vector<std::string>& prefix = {});
  // SIGKILL, and waits for the end.
  void Kill();
  // The latest that was started.
  Subprocess& process() { return *process_; }

 private:
  const HeldPort port_;
  const std::string directory_;
  const std::string token_;
  std::unique_ptr<Subprocess> process_;
};

// The directories of the runs in a collector's directory, sorted.
std::vector<std::string> RunsIn(const std::string& directory);
// The only one; "" unless there is exactly one.
std::string OnlyRunIn(const std::string& directory);
// Bytes of the workers' logs in all runs there.
uint64_t LogBytesIn(const std::string& directory);
// Bytes of segments in all spools there.
uint64_t SpoolBytesIn(const std::string& spool_dir);

// `logs/<rank>.<stdout|stderr>` of a run with less than 11 ranks.
std::string LogOf(const std::string& run, uint32_t rank, int fd);

// The log is what loggen wrote, `bytes` of it and no byte more, and there is no
// gap file. `options` says the kind; rank and fd are taken from the arguments.
::testing::AssertionResult IsExact(const std::string& run, uint32_t rank,
                                   int fd, uint64_t bytes,
                                   LogPattern::Options options = {});

// run.json, report.json with that code, and events.jsonl are there and whole.
::testing::AssertionResult IsRecorded(const std::string& run, int exit_code);

// A word for a shell's command line: loggen with these arguments.
std::string Loggen(const std::string& arguments);

// Workers that write on both streams until they are told to stop, and then say
// how much it was.
class Writers {
 public:
  // `directory` is where they are told and where they say it.
  Writers(std::string directory, std::string loggen_arguments);

  // The worker's command, for a shell.
  std::string Script() const;
  void Stop() const;
  // Some of both streams of each rank is there, soon. Who is told to stop
  // before it has begun says nothing.
  bool HaveBegunIn(const std::string& run, uint32_t world) const;
  // What a rank wrote, once it has ended; 0 when it did not say it.
  uint64_t WrittenBy(uint32_t rank, int fd) const;
  // IsExact of both streams of ranks 0 to `world` - 1.
  ::testing::AssertionResult AreExactIn(const std::string& run,
                                        uint32_t world) const;

 private:
  const std::string directory_;
  const std::string arguments_;
};

// A collector, not started yet, and jobs whose output goes there. All that
// they write lies below directory_.
class CollectTest : public ::testing::Test {
 protected:
  // `muster SUBCOMMAND` with a working directory of its own and one worker,
  // quiet; `flags` replace what it is given.
  Subprocess& StartJob(const std::string& subcommand, Flags flags,
                       const std::string& script);
  // As long as it takes: a job that stands still fails by CTest's timeout.
  static ExitStatus EndOf(Subprocess& job) { return job.Wait(kLater); }

  // The run at the collector, when it is the only one.
  std::string Run() const { return OnlyRunIn(collector_.directory()); }
  // Whether the collector has stored more than `bytes` of logs, soon.
  bool StoresMoreThan(uint64_t bytes) const;
  // `name` in the run at the collector, once it is there and is `bytes`.
  bool Shows(const std::string& name, const std::string& bytes) const;
  // Where a job keeps what is not sent, unless a flag says otherwise.
  std::string SpoolDir() const { return directory_.File("spool"); }

  const TempDir directory_;
  CollectorProcess collector_{directory_.File("runs")};

 private:
  std::vector<std::unique_ptr<Subprocess>> jobs_;
};

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_COLLECT_H_
