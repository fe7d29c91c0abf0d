// A worker that behaves as its arguments say. Says "ready" once it does.
//
//   exit N | raise SIGNO | hold | ignore-term | stopped | close-stdout
//   env NAME | cwd | fds | signals | nofile | read-stdin | bind PORT
//   daemon plain|stubborn|leaderless exit|hold
#include <arpa/inet.h>
#include <dirent.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>
#include <string>
#include <thread>

namespace {

[[noreturn]] void Hold() {
  while (true) pause();
}

void Say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

int PrintFds() {
  DIR* directory = opendir("/proc/self/fd");
  std::set<int> fds;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] != '.') fds.insert(std::atoi(entry->d_name));
  }
  fds.erase(dirfd(directory));
  std::string line;
  for (const int fd : fds) line += std::to_string(fd) + " ";
  Say(line);
  return 0;
}

// Blocked and ignored signals, parent-death signal, leader of its group.
int PrintSignals() {
  std::FILE* status = std::fopen("/proc/self/status", "r");
  char line[256];
  while (std::fgets(line, sizeof(line), status) != nullptr) {
    if (std::strncmp(line, "SigBlk", 6) == 0 ||
        std::strncmp(line, "SigIgn", 6) == 0) {
      std::fputs(line, stdout);
    }
  }
  int death = 0;
  prctl(PR_GET_PDEATHSIG, &death);
  Say("death " + std::to_string(death));
  Say(getpgid(0) == getpid() ? "leader" : "member");
  return 0;
}

int PrintCwd() {
  char buffer[4096];
  Say(getcwd(buffer, sizeof(buffer)) ? buffer : std::strerror(errno));
  return 0;
}

int PrintNofile() {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  Say(std::to_string(limit.rlim_cur));
  return 0;
}

// Takes the port and keeps it.
int Bind(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) < 0) {
    Say(std::strerror(errno));
    return 1;
  }
  Say("bound");
  Hold();
}

// Of the first thread.
std::string ReadState() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line) && line.rfind("State:", 0) != 0) {
  }
  return line;
}

[[noreturn]] void BeDaemon(const std::string& kind, int ready) {
  if (kind == "stubborn") signal(SIGTERM, SIG_IGN);
  const auto tell = [ready] {
    const pid_t pid = getpid();
    if (write(ready, &pid, sizeof(pid)) != sizeof(pid)) _exit(1);
    close(ready);
    Hold();
  };
  if (kind == "leaderless") {
    // The second thread tells once the first one is a zombie.
    std::thread([tell] {
      while (ReadState().find("zombie") == std::string::npos) {
        std::this_thread::yield();
      }
      tell();
    }).detach();
    pthread_exit(nullptr);
  }
  tell();
  Hold();
}

// Leaves a process behind that has a session of its own and holds stdout.
int Daemon(const std::string& kind, const std::string& then) {
  int ends[2];
  if (pipe(ends) < 0) return 1;
  if (fork() == 0) {
    setsid();
    if (fork() != 0) _exit(0);
    close(ends[0]);
    BeDaemon(kind, ends[1]);
  }
  close(ends[1]);
  pid_t daemon = 0;
  if (read(ends[0], &daemon, sizeof(daemon)) != sizeof(daemon)) return 1;
  close(ends[0]);
  Say(std::to_string(daemon));
  if (then == "hold") Hold();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const std::string value = argc > 2 ? argv[2] : "";
  if (what == "exit") return std::atoi(value.c_str());
  if (what == "raise") {
    const rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    raise(std::atoi(value.c_str()));
    return 99;
  }
  if (what == "hold" || what == "ignore-term" || what == "stopped") {
    if (what == "ignore-term") signal(SIGTERM, SIG_IGN);
    Say("ready");
    if (what == "stopped") raise(SIGSTOP);
    Hold();
  }
  if (what == "close-stdout") {
    close(STDOUT_FILENO);
    // Goes on until told to end.
    std::fprintf(stderr, "closed\n");
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGUSR1);
    sigprocmask(SIG_BLOCK, &wanted, nullptr);
    int got = 0;
    std::fprintf(stderr, "waiting\n");
    sigwait(&wanted, &got);
    return 5;
  }
  if (what == "env") {
    const char* found = std::getenv(value.c_str());
    Say(found ? found : "(unset)");
    return 0;
  }
  if (what == "read-stdin") {
    Say(std::to_string(std::getchar()));
    return 0;
  }
  if (what == "cwd") return PrintCwd();
  if (what == "fds") return PrintFds();
  if (what == "signals") return PrintSignals();
  if (what == "nofile") return PrintNofile();
  if (what == "bind") return Bind(std::atoi(value.c_str()));
  if (what == "daemon" && argc > 3) return Daemon(value, argv[3]);
  std::fprintf(stderr, "behaviours: unknown: %s\n", what.c_str());
  return 98;
}
