#include "rendezvous/causes.h"

#include <algorithm>
#include <csignal>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"

namespace muster::rendezvous {
namespace {

constexpr size_t kTailLines = 20;

}  // namespace

Cause CauseOn(const Member& member, CauseKind kind, const std::string& message,
              Moment now) {
  Cause cause;
  cause.set_kind(kind);
  cause.set_node(member.assignment.node_rank());
  cause.set_host(member.facts.host_name());
  cause.set_at_unix_ms(now.unix_ms);
  cause.set_message(message);
  return cause;
}

void SetVerdict(Cause cause, uint32_t exit_code, Report* report) {
  report->set_result(cause.kind() == CAUSE_CANCELLED ? RESULT_CANCELLED
                                                     : RESULT_FAILED);
  report->set_exit_code(exit_code);
  *report->mutable_first_cause() = std::move(cause);
}

void SetTail(const std::string& bytes, Cause* cause) {
  std::vector<std::string> lines = absl::StrSplit(bytes, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  const size_t skip = lines.size() > kTailLines ? lines.size() - kTailLines : 0;
  for (size_t i = skip; i < lines.size(); ++i) {
    cause->add_stderr_tail(std::move(lines[i]));
  }
}

std::string SignalHint(uint32_t signal) {
  switch (signal) {
    case SIGKILL:
      return "somebody killed it, possibly the kernel for lack of memory: see "
             "dmesg on that host";
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
    case SIGABRT:
      return "it crashed; its standard error may say where";
    default:
      return "somebody sent it that signal";
  }
}

void AddOther(const Cause& cause, Report* report) {
  for (OtherCauses& other : *report->mutable_others()) {
    if (other.kind() != cause.kind() || other.message() != cause.message()) {
      continue;
    }
    other.set_count(other.count() + 1);
    if (cause.has_rank()) {
      other.add_ranks(cause.rank());
      std::sort(other.mutable_ranks()->begin(), other.mutable_ranks()->end());
    }
    return;
  }
  OtherCauses* other = report->add_others();
  other->set_kind(cause.kind());
  other->set_message(cause.message());
  other->set_count(1);
  if (cause.has_rank()) other->add_ranks(cause.rank());
}

}  // namespace muster::rendezvous
