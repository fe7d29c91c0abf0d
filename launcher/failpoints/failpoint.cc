#include "launcher/failpoints/failpoint.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>

namespace muster::failpoints {
namespace {

struct Armed {
  std::string name;
  long times = 1;
};

Armed FromEnvironment() {
  const char* const value = getenv("MUSTER_FAILPOINT");
  Armed armed{.name = value ? value : ""};
  const size_t colon = armed.name.find(':');
  if (colon == std::string::npos) return armed;
  armed.times = strtol(armed.name.c_str() + colon + 1, nullptr, 10);
  armed.name.resize(colon);
  return armed;
}

}  // namespace

void Reach(const char* name) {
  static const Armed armed = FromEnvironment();
  static std::atomic<long> reached = 0;
  if (armed.name.empty() || armed.name != name) return;
  if (++reached == armed.times) raise(SIGKILL);
}

}  // namespace muster::failpoints
