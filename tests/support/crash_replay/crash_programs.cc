// Programs that keep something in a directory, well or badly: what crash replay
// is tried on. They print "acknowledged N" for what they have promised.
//
//   replace DIR HOW     three versions of DIR/value, by rename
//     HOW: good | no-sync | no-directory-sync | late-sync | in-place
//   journal DIR HOW     ten lines of a journal in DIR/log
//     HOW: good | no-sync | acknowledge-first
//   threads DIR HOW     as journal; one thread writes, one syncs
//     HOW: good | racy
//   calls DIR           one of each call that is modelled
//   refused DIR CALL    a call that is not: mmap | sync | symlink |
//   from-outside die DIR             writes twice, kills itself, and writes
//   once more
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>

namespace {

void Must(bool is_done, const char* what) {
  if (is_done) return;
  std::perror(what);
  std::exit(1);
}

void Acknowledge(int number) {
  std::printf("acknowledged %d\n", number);
  std::fflush(stdout);
}

int Open(const std::string& path, int flags) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC, 0644);
  Must(fd >= 0, path.c_str());
  return fd;
}

void Write(int fd, const std::string& bytes) {
  Must(write(fd, bytes.data(), bytes.size()) ==
           static_cast<ssize_t>(bytes.size()),
       "write");
}

// A version is its number many times, so that a part of it is told from all.
std::string Version(int number) {
  std::string bytes;
  for (int i = 0; i < 1500; ++i) bytes += std::to_string(number) + " value\n";
  return bytes;
}

void Replace(const std::string& dir, const std::string& how) {
  const int directory = Open(dir, O_RDONLY | O_DIRECTORY);
  for (int number = 1; number <= 3; ++number) {
    if (how == "in-place") {
      const int fd = Open(dir + "/value", O_WRONLY | O_CREAT | O_TRUNC);
      Write(fd, Version(number));
      fsync(fd);
      close(fd);
    } else {
      const int fd = Open(dir + "/value.new", O_WRONLY | O_CREAT | O_TRUNC);
      Write(fd, Version(number));
      if (how != "no-sync" && how != "late-sync") fsync(fd);
      Must(rename((dir + "/value.new").c_str(), (dir + "/value").c_str()) == 0,
           "rename");
      if (how == "late-sync") fsync(fd);
      close(fd);
    }
    if (how != "no-directory-sync") fsync(directory);
    Acknowledge(number);
  }
}

void Journal(const std::string& dir, const std::string& how) {
  const int directory = Open(dir, O_RDONLY | O_DIRECTORY);
  const int fd = Open(dir + "/log", O_WRONLY | O_CREAT | O_APPEND);
  fsync(directory);
  for (int number = 1; number <= 10; ++number) {
    if (how == "acknowledge-first") Acknowledge(number);
    Write(fd, "line " + std::to_string(number) + "\n");
    if (how != "no-sync") fdatasync(fd);
    Acknowledge(number);
  }
}

// With "racy" the syncing thread acknowledges what was written when its sync
// was over, not when it began.
void Threads(const std::string& dir, bool is_racy) {
  const int directory = Open(dir, O_RDONLY | O_DIRECTORY);
  const int fd = Open(dir + "/log", O_WRONLY | O_CREAT | O_APPEND);
  fsync(directory);
  constexpr int kLines = 60;
  std::atomic<int> written{0};
  std::thread writer([&] {
    for (int number = 1; number <= kLines; ++number) {
      Write(fd, "line " + std::to_string(number) + "\n");
      written = number;
    }
  });
  for (int durable = 0; durable < kLines;) {
    const int before = written;
    fdatasync(fd);
    durable = is_racy ? written.load() : before;
    Acknowledge(durable);
  }
  writer.join();
}

void Calls(const std::string& dir) {
  Must(chdir(dir.c_str()) == 0, "chdir");
  Must(mkdir("sub", 0700) == 0, "mkdir");
  const int sub = Open("sub", O_RDONLY | O_DIRECTORY);
  open_how how = {};
  how.flags = O_RDWR | O_CREAT | O_CLOEXEC;
  how.mode = 0600;
  how.resolve = RESOLVE_BENEATH;
  const int fd =
      static_cast<int>(syscall(SYS_openat2, sub, "file", &how, sizeof(how)));
  Must(fd >= 0, "openat2");
  Write(fd, "0123456789");
  Must(pwrite(fd, "abc", 3, 4) == 3, "pwrite");
  char first[] = "XY";
  char second[] = "Z";
  const iovec parts[] = {{first, 2}, {second, 1}};
  Must(writev(fd, parts, 2) == 3, "writev");
  Must(pwritev(fd, parts, 2, 20) == 3, "pwritev");
  Must(ftruncate(fd, 22) == 0, "ftruncate");
  Must(posix_fallocate(fd, 0, 30) == 0, "fallocate");
  Must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2) == 0,
       "punch");
  const int copy = dup(fd);
  Must(lseek(fd, 2, SEEK_SET) == 2, "lseek");
  Write(copy, "dup");  // shares the position
  Must(fsync(fd) == 0 && fdatasync(fd) == 0 && syncfs(fd) == 0, "sync");
  Must(linkat(sub, "file", AT_FDCWD, "link", 0) == 0, "linkat");
  Must(renameat(sub, "file", sub, "renamed") == 0, "renameat");
  const int other = Open("other", O_WRONLY | O_CREAT | O_EXCL);
  Write(other, "other");
  Must(renameat2(AT_FDCWD, "other", sub, "renamed", RENAME_EXCHANGE) == 0,
       "renameat2");
  Must(unlinkat(sub, "renamed", 0) == 0, "unlinkat");
  Write(other, "after its end");
  const int append = Open("link", O_WRONLY | O_APPEND);
  Write(append, "!");
  Must(mkdir("gone", 0755) == 0 && rmdir("gone") == 0, "rmdir");
  close(Open("empty", O_WRONLY | O_CREAT | O_TRUNC));
  const pid_t child = fork();
  if (child == 0) {
    Write(copy, "child");
    _exit(0);
  }
}

void Refused(const std::string& dir, const std::string& call) {
  const std::string path = dir + "/file";
  if (call == "mmap") {
    const int fd = Open(path, O_RDWR | O_CREAT);
    Must(ftruncate(fd, 4096) == 0, "ftruncate");
    void* memory =
        mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    std::memcpy(memory, "x", 1);
  } else if (call == "sync") {
    Write(Open(path, O_WRONLY | O_CREAT | O_DSYNC), "x");
  } else if (call == "symlink") {
    Must(symlink("there", path.c_str()) == 0, "symlink");
  } else if (call == "from-outside") {
    const std::string outside = dir + ".outside";
    close(Open(outside, O_WRONLY | O_CREAT));
    Must(rename(outside.c_str(), path.c_str()) == 0, "rename");
  }
}

void WriteAndDie(const std::string& dir) {
  const int fd = Open(dir + "/log", O_WRONLY | O_CREAT);
  Write(fd, "one");
  Write(fd, "two");
  std::raise(SIGKILL);
  Write(fd, "three");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 64;
  const std::string what = argv[1];
  const std::string how = argc > 3 ? argv[3] : "";
  if (what == "replace") Replace(argv[2], how);
  if (what == "journal") Journal(argv[2], how);
  if (what == "threads") Threads(argv[2], how == "racy");
  if (what == "calls") Calls(argv[2]);
  if (what == "refused") Refused(argv[2], how);
  if (what == "die") WriteAndDie(argv[2]);
  return 0;
}
