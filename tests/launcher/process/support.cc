#include "tests/launcher/process/support.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

namespace muster::process {
namespace {

int Bind(int fd, int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address));
}

bool Readable(int fd, std::chrono::milliseconds timeout) {
  pollfd polled = {fd, POLLIN, 0};
  return poll(&polled, 1, static_cast<int>(timeout.count())) == 1;
}

}  // namespace

std::string ReadLine(int fd) {
  std::string line;
  char byte;
  while (Readable(fd, kPatience)) {
    if (read(fd, &byte, 1) != 1 || byte == '\n') return line;
    line.push_back(byte);
  }
  ADD_FAILURE() << "nothing to read after '" << line << "'";
  return line;
}

std::string ReadAll(int fd) {
  std::string text;
  char buffer[4096];
  while (Readable(fd, kPatience)) {
    const ssize_t size = read(fd, buffer, sizeof(buffer));
    if (size <= 0) return text;
    text.append(buffer, static_cast<size_t>(size));
  }
  ADD_FAILURE() << "no end of file after '" << text << "'";
  return text;
}

UniqueFd OpenPidfd(pid_t pid) {
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  EXPECT_TRUE(pidfd.valid()) << "no process " << pid;
  return pidfd;
}

bool HasEnded(const UniqueFd& pidfd) {
  return Readable(pidfd.get(), std::chrono::milliseconds(0));
}

bool EndsInTime(const UniqueFd& pidfd) {
  return Readable(pidfd.get(), kPatience);
}

std::string StatusField(pid_t pid, const std::string& field) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.rfind(field + ":\t", 0) == 0) return line.substr(field.size() + 2);
  }
  return "";
}

std::vector<std::string> Behaviour(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), MUSTER_BEHAVIOURS);
  return arguments;
}

TempDir::TempDir() {
  std::string name = testing::TempDir() + "/process-test-XXXXXX";
  path_ = mkdtemp(name.data());
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::Write(const std::string& name, const std::string& text,
                           mode_t mode) {
  const std::string path = path_ + "/" + name;
  std::ofstream(path) << text;
  chmod(path.c_str(), mode);
  return path;
}

HeldPort HoldPort() {
  HeldPort held;
  held.socket.Reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(Bind(held.socket.get(), 0), 0);
  sockaddr_in address = {};
  socklen_t size = sizeof(address);
  getsockname(held.socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
  held.port = ntohs(address.sin_port);
  return held;
}

int BindError(int port) {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return Bind(fd.get(), port) == 0 ? 0 : errno;
}

SpawnRequest Request(std::vector<std::string> argv) {
  SpawnRequest request;
  request.argv = std::move(argv);
  request.env = {{"PATH", "/usr/bin:/bin"}};
  return request;
}

Agent::Agent() {
  absl::StatusOr<KeeperHandle> handle = Keeper::Fork();
  if (!handle.ok()) {
    ADD_FAILURE() << handle.status();
    std::abort();
  }
  keeper = handle->pid;
  KeeperCallbacks callbacks;
  callbacks.on_spawned = [this](uint32_t id, pid_t pid, int out, int err) {
    EXPECT_EQ(workers[id].pid, 0) << "started twice";
    workers[id].pid = pid;
    workers[id].out.Reset(out);
    workers[id].err.Reset(err);
  };
  callbacks.on_spawn_failed = [this](uint32_t id, const SpawnFailure& failure) {
    workers[id].failure = failure;
  };
  callbacks.on_exited = [this](uint32_t id, pid_t pid, ExitStatus status) {
    EXPECT_EQ(workers[id].pid, pid) << "an exit without a start";
    EXPECT_FALSE(workers[id].status.has_value()) << "ended twice";
    workers[id].status = status;
    if (after_exit) after_exit();
  };
  callbacks.on_finished = [this](std::vector<Killed> killed) {
    EXPECT_FALSE(finished.has_value()) << "finished twice";
    finished = std::move(killed);
  };
  callbacks.on_lost = [this](absl::Status why) { lost = std::move(why); };
  client = std::make_unique<KeeperClient>(loop, *std::move(handle),
                                          std::move(callbacks));
}

Agent::~Agent() {
  if (lost.has_value()) return;
  if (client != nullptr) Finish();
  client.reset();
  waitpid(keeper, nullptr, 0);
}

bool Agent::RunUntil(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    loop.restart();
    loop.run_one_for(std::chrono::milliseconds(5));
  }
  return true;
}

uint32_t Agent::Spawn(SpawnRequest request) {
  const uint32_t id = request.id = next_id_++;
  workers[id];
  client->Spawn(std::move(request));
  return id;
}

uint32_t Agent::Spawn(std::vector<std::string> argv) {
  return Spawn(Request(std::move(argv)));
}

Agent::Worker& Agent::Start(SpawnRequest request) {
  Worker& worker = workers[Spawn(std::move(request))];
  EXPECT_TRUE(
      RunUntil([&] { return worker.pid != 0 || worker.failure.has_value(); }));
  if (worker.failure.has_value()) ADD_FAILURE() << worker.failure->Message();
  return worker;
}

Agent::Worker& Agent::Start(std::vector<std::string> argv) {
  return Start(Request(std::move(argv)));
}

ExitStatus Agent::End(Worker& worker) {
  EXPECT_TRUE(RunUntil([&] { return worker.status.has_value(); }));
  return worker.status.value_or(ExitStatus::Exited(-1));
}

std::string Agent::Output(SpawnRequest request) {
  Worker& worker = Start(std::move(request));
  const std::string text = ReadAll(worker.out.get());
  EXPECT_EQ(End(worker), ExitStatus::Exited(0)) << ReadAll(worker.err.get());
  return text;
}

SpawnFailure Agent::Failure(SpawnRequest request) {
  Worker& worker = workers[Spawn(std::move(request))];
  EXPECT_TRUE(
      RunUntil([&] { return worker.pid != 0 || worker.failure.has_value(); }));
  EXPECT_EQ(worker.pid, 0) << "it was started";
  return worker.failure.value_or(SpawnFailure());
}

std::vector<Killed> Agent::Finish() {
  finished.reset();
  client->Finish();
  EXPECT_TRUE(RunUntil([&] { return finished.has_value() || lost; }));
  return finished.value_or(std::vector<Killed>());
}

}  // namespace muster::process
