#include "tests/support/collect.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace muster::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AssertionFailure;
using ::testing::AssertionResult;
using ::testing::AssertionSuccess;

// Of the files below `directory` for whose path `counts` is true. What goes
// meanwhile does not count.
template <typename Predicate>
uint64_t BytesBelow(const std::string& directory, Predicate counts) {
  uint64_t bytes = 0;
  for (const std::string& file : FilesBelow(directory)) {
    std::error_code error;
    if (!counts(file)) continue;
    const uintmax_t size = fs::file_size(directory + "/" + file, error);
    if (!error) bytes += size;
  }
  return bytes;
}

}  // namespace

HeldPort::HeldPort() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  // Bound and not listened on, with SO_REUSEADDR, as servers have it: a server
  // that asks for this port gets it, one that asks for any port does not.
  const int on = 1;
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (fd_ < 0 || bind(fd_, generic, size) != 0 ||
      setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      getsockname(fd_, generic, &size) != 0) {
    std::perror("cannot hold a port");
    std::abort();
  }
  number_ = ntohs(address.sin_port);
}

HeldPort::~HeldPort() { close(fd_); }

CollectorProcess::CollectorProcess(std::string directory, std::string token)
    : directory_(std::move(directory)), token_(std::move(token)) {}

std::string CollectorProcess::address() const {
  return absl::StrCat("127.0.0.1:", port_.number());
}

Command CollectorProcess::CommandLine(
    const std::vector<std::string>& prefix) const {
  Command command = {.argv = prefix};
  for (const std::string& word :
       {MusterBinary(), std::string("collect"), std::string("--dir"),
        directory_, std::string("--listen"), address()}) {
    command.argv.push_back(word);
  }
  if (!token_.empty()) command.env["MUSTER_TOKEN"] = token_;
  return command;
}

AssertionResult CollectorProcess::Start(
    const std::map<std::string, std::string>& env,
    const std::vector<std::string>& prefix) {
  Command command = CommandLine(prefix);
  command.env.insert(env.begin(), env.end());
  process_ = std::make_unique<Subprocess>(command);
  if (process_->WaitForOutput("listening on " + address())) {
    return AssertionSuccess();
  }
  return AssertionFailure()
         << "the collector does not listen" << process_->Text();
}

void CollectorProcess::Kill() {
  process_->Signal(SIGKILL);
  process_->Wait();
}

std::vector<std::string> RunsIn(const std::string& directory) {
  std::vector<std::string> runs;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    // A collector's own begin with a dot; a simulated run has RUN.nodes beside.
    if (name[0] == '.' || entry.path().extension() == ".nodes") continue;
    if (entry.is_directory(error)) runs.push_back(entry.path().string());
  }
  std::sort(runs.begin(), runs.end());
  return runs;
}

std::string OnlyRunIn(const std::string& directory) {
  const std::vector<std::string> runs = RunsIn(directory);
  return runs.size() == 1 ? runs[0] : "";
}

uint64_t LogBytesIn(const std::string& directory) {
  uint64_t bytes = 0;
  for (const std::string& run : RunsIn(directory)) {
    bytes += BytesBelow(run + "/logs", [](const std::string& file) {
      return absl::EndsWith(file, ".stdout") || absl::EndsWith(file, ".stderr");
    });
  }
  return bytes;
}

uint64_t SpoolBytesIn(const std::string& spool_dir) {
  return BytesBelow(spool_dir, [](const std::string& file) {
    return absl::EndsWith(file, ".segment");
  });
}

std::string LogOf(const std::string& run, uint32_t rank, int fd) {
  return absl::StrCat(run, "/logs/", rank, fd == 1 ? ".stdout" : ".stderr");
}

AssertionResult IsExact(const std::string& run, uint32_t rank, int fd,
                        uint64_t bytes, LogPattern::Options options) {
  options.rank = rank;
  options.fd = fd;
  const std::string path = LogOf(run, rank, fd);
  if (!Exists(path)) return AssertionFailure() << path << " is not there";
  const LogCheck check = CheckLog(LogPattern(options), path, bytes);
  if (!check.problem.empty()) {
    return AssertionFailure() << path << ": " << check.problem << " ("
                              << check.stored << " stored, " << check.missing
                              << " missing, " << bytes << " written)";
  }
  if (Exists(path + ".gaps")) {
    return AssertionFailure() << path << ".gaps: " << ReadFile(path + ".gaps");
  }
  return AssertionSuccess();
}

AssertionResult IsRecorded(const std::string& run, int exit_code) {
  if (!ReadJson(run + "/run.json").contains("nodes")) {
    return AssertionFailure()
           << run << "/run.json: " << ReadFile(run + "/run.json");
  }
  if (ReadJson(run + "/report.json").value("exit_code", -1) != exit_code) {
    return AssertionFailure()
           << run << "/report.json: " << ReadFile(run + "/report.json");
  }
  const std::vector<std::string> events =
      Lines(ReadFile(run + "/events.jsonl"));
  if (events.empty()) return AssertionFailure() << "no events.jsonl in " << run;
  for (const std::string& event : events) {
    if (!nlohmann::json::accept(event)) {
      return AssertionFailure() << run << "/events.jsonl: " << event;
    }
    if (std::count(events.begin(), events.end(), event) != 1) {
      return AssertionFailure() << run << "/events.jsonl has twice: " << event;
    }
  }
  return AssertionSuccess();
}

std::string Loggen(const std::string& arguments) {
  return absl::StrCat("'", MUSTER_LOGGEN, "' ", arguments);
}

Writers::Writers(std::string directory, std::string loggen_arguments)
    : directory_(std::move(directory)),
      arguments_(std::move(loggen_arguments)) {}

std::string Writers::Script() const {
  // The shell would tell on standard error that its child was terminated.
  return absl::StrCat(
      "exec 3>&2 2>/dev/null; ",
      Loggen(absl::StrCat("--bytes 1T --both ", arguments_)), " --report '",
      directory_, "'/written.$RANK 2>&3 & writer=$!; until [ -e '", directory_,
      "/stop' ]; do sleep 0.01; done; kill -TERM $writer; wait $writer; "
      "[ -s '",
      directory_, "'/written.$RANK ]");
}

void Writers::Stop() const { WriteFile(directory_ + "/stop", ""); }

bool Writers::HaveBegunIn(const std::string& run, uint32_t world) const {
  return Eventually(
      [&] {
        for (uint32_t rank = 0; rank < world; ++rank) {
          for (const int fd : {1, 2}) {
            std::error_code error;
            const uintmax_t size = fs::file_size(LogOf(run, rank, fd), error);
            if (error || size == 0) return false;
          }
        }
        return true;
      },
      kLater);
}

uint64_t Writers::WrittenBy(uint32_t rank, int fd) const {
  return ReadJson(absl::StrCat(directory_, "/written.", rank))
      .value(fd == 1 ? "stdout" : "stderr", uint64_t{0});
}

AssertionResult Writers::AreExactIn(const std::string& run,
                                    uint32_t world) const {
  for (uint32_t rank = 0; rank < world; ++rank) {
    for (const int fd : {1, 2}) {
      const uint64_t written = WrittenBy(rank, fd);
      if (written == 0) {
        return AssertionFailure()
               << "rank " << rank << " wrote nothing on " << fd;
      }
      AssertionResult result = IsExact(run, rank, fd, written);
      if (!result) return result;
    }
  }
  return AssertionSuccess();
}

Subprocess& CollectTest::StartJob(const std::string& subcommand, Flags flags,
                                  const std::string& script) {
  flags.insert({{"--collector", collector_.address()},
                {"--nproc-per-node", "1"},
                {"--console", "none"},
                {"--spool-dir", SpoolDir()}});
  const std::string cwd = directory_.Dir(absl::StrCat("job", jobs_.size()));
  jobs_.push_back(std::make_unique<Subprocess>(
      Command{.argv = MusterArgv(subcommand, flags, Shell(script)),
              .env = {{"MUSTER_TOKEN", kToken}},
              .cwd = cwd}));
  return *jobs_.back();
}

bool CollectTest::StoresMoreThan(uint64_t bytes) const {
  return Eventually([&] { return LogBytesIn(collector_.directory()) > bytes; },
                    kLater);
}

bool CollectTest::Shows(const std::string& name,
                        const std::string& bytes) const {
  return Eventually(
      [&] { return ReadFile(absl::StrCat(Run(), "/", name)) == bytes; });
}

}  // namespace muster::test
