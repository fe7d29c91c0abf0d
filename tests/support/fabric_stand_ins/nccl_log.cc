#include "tests/support/fabric_stand_ins/nccl_log.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <mutex>

#include "tests/support/fabric_stand_ins/faults.h"

namespace muster::stand_in {
namespace {

std::mutex mutex;
char last_error[1024];

// NCCL expands %h and %p, and takes two % for one.
std::string Expand(const char* path) {
  std::string text;
  for (; *path != '\0'; ++path) {
    if (*path != '%' || path[1] == '\0') {
      text += *path;
      continue;
    }
    ++path;
    if (*path == 'h') {
      text += Faults::Get().self().host;
    } else if (*path == 'p') {
      text += std::to_string(getpid());
    } else {
      text += *path;
    }
  }
  return text;
}

FILE* Open() {
  const char* level = getenv("NCCL_DEBUG");
  const char* path = getenv("NCCL_DEBUG_FILE");
  if (level == nullptr || strcmp(level, "INFO") != 0) return nullptr;
  if (path == nullptr) return stdout;
  FILE* file = fopen(Expand(path).c_str(), "we");
  if (file != nullptr) setlinebuf(file);
  return file;
}

// With the lock held.
FILE* File() {
  static FILE* const file = Open();
  return file;
}

std::string Origin() {
  return Faults::Get().self().host + ":" + std::to_string(getpid()) + ":" +
         std::to_string(syscall(SYS_gettid)) + " ";
}

}  // namespace

void LogInfo(const std::string& text) {
  std::lock_guard<std::mutex> lock(mutex);
  if (File() == nullptr) return;
  fprintf(File(), "%s[0] NCCL INFO %s\n", Origin().c_str(), text.c_str());
}

void LogWarning(const std::string& text) {
  std::lock_guard<std::mutex> lock(mutex);
  snprintf(last_error, sizeof last_error, "%s", text.c_str());
  if (File() == nullptr) return;
  char when[32];
  const time_t now = time(nullptr);
  tm parts = {};
  strftime(when, sizeof when, "%F %T", localtime_r(&now, &parts));
  fprintf(File(), "\n[%s] %s[0] misc/stand_in.cc:1 NCCL WARN %s\n", when,
          Origin().c_str(), text.c_str());
}

const char* LastError() { return last_error; }

}  // namespace muster::stand_in
