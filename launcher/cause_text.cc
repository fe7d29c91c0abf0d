#include "launcher/cause_text.h"

#include <csignal>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "launcher/exit_codes.h"
#include "launcher/report_json.h"
#include "launcher/text.h"

namespace muster::launcher {
namespace {

constexpr char kMaybeMemory[] = ", possibly the out-of-memory killer";

// "signal 9 (SIGKILL)".
std::string SignalText(uint32_t signal) {
  const char* name = sigabbrev_np(static_cast<int>(signal));
  return absl::StrCat("signal ", signal,
                      name == nullptr ? "" : absl::StrCat(" (SIG", name, ")"));
}

// "rank 3 (worker 2, local rank 1, pid 4242) on node 1 (host-1)", as far as
// known.
std::string Who(const Cause& cause) {
  std::vector<std::string> words;
  if (cause.has_rank()) {
    std::vector<std::string> more;
    if (!cause.task_type().empty()) {
      more.push_back(
          absl::StrCat(Printable(cause.task_type()), " ", cause.task_index()));
    }
    if (cause.has_local_rank()) {
      more.push_back(absl::StrCat("local rank ", cause.local_rank()));
    }
    if (cause.has_pid()) more.push_back(absl::StrCat("pid ", cause.pid()));
    words.push_back(absl::StrCat("rank ", cause.rank()));
    if (!more.empty()) {
      words.push_back(absl::StrCat("(", absl::StrJoin(more, ", "), ")"));
    }
    if (cause.has_node() || !cause.host().empty()) words.push_back("on");
  } else if (!cause.service().empty()) {
    words.push_back(cause.service());
    if (cause.has_pid()) {
      words.push_back(absl::StrCat("(pid ", cause.pid(), ")"));
    }
    words.push_back("on");
  }
  const std::string host = Printable(cause.host());
  if (cause.has_node()) {
    words.push_back(absl::StrCat("node ", cause.node()));
    if (!host.empty()) words.push_back(absl::StrCat("(", host, ")"));
  } else if (!host.empty()) {
    words.push_back(host);
  }
  return absl::StrJoin(words, " ");
}

}  // namespace

std::string WhatHappened(const Report& report) {
  const Cause& cause = report.first_cause();
  const std::string known = Who(cause);
  const auto who = [&known](absl::string_view otherwise) {
    return known.empty() ? std::string(otherwise) : known;
  };
  switch (cause.kind()) {
    case CAUSE_EXIT:
      // A shell gives 137 when its child was killed.
      return absl::StrCat(
          who("a worker"), " exited with code ", cause.exit_code(),
          cause.exit_code() == kSignalBase + SIGKILL ? kMaybeMemory : "");
    case CAUSE_SIGNAL:
      return absl::StrCat(who("a worker"), " died of ",
                          SignalText(cause.signal()),
                          cause.signal() == SIGKILL ? kMaybeMemory : "");
    case CAUSE_OOM:
      return absl::StrCat(who("a worker"),
                          " was killed by the kernel: out of memory");
    case CAUSE_SPAWN:
      return absl::StrCat(who("a worker"), " could not be started");
    case CAUSE_NODE_LOST:
      return absl::StrCat(who("a node"), " was lost");
    case CAUSE_FABRIC:
      return absl::StrCat(who("the fabric"), " failed the self-test");
    case CAUSE_RENDEZVOUS:
      return absl::StrCat("the rendezvous failed", known.empty() ? "" : " at ",
                          known);
    case CAUSE_AUTH:
      return absl::StrCat("the token of ", who("this node"),
                          " is wrong or missing");
    case CAUSE_CONFIG:
      return report.result() == RESULT_REFUSED
                 ? absl::StrCat("the settings of ", who("this node"), " differ")
                 : absl::StrCat(who("this node"), " can't take part");
    case CAUSE_CANCELLED:
      return absl::StrCat(
          cause.has_signal() ? SignalText(cause.signal()) : "a request",
          known.empty() ? "" : " to ", known, " ended the job");
    case CAUSE_OUTPUT:
      return absl::StrCat("the workers succeeded, but not all output of ",
                          report.missing_output_size() > 1
                              ? Count(report.missing_output_size(), "node")
                              : who("a node"),
                          " reached the collector");
    default:
      return absl::StrCat(who("muster"), " failed: a fault of muster's own");
  }
}

absl::string_view ExitCodeMeaning(const Report& report) {
  if (report.result() == RESULT_SUCCEEDED) return "every worker ended with 0";
  switch (report.first_cause().kind()) {
    case CAUSE_EXIT:
      return report.first_cause().service().empty()
                 ? "the first failing worker's own code"
                 : "the code of what starts the workers";
    case CAUSE_SIGNAL:
    case CAUSE_OOM:
      return report.first_cause().service().empty()
                 ? "128 + the signal that killed the first worker"
                 : "128 + the signal that killed what starts the workers";
    case CAUSE_SPAWN:
      return report.exit_code() == kNotFound ? "the command is not found"
                                             : "the command cannot be executed";
    case CAUSE_NODE_LOST:
      return "a node was lost: try again elsewhere";
    case CAUSE_FABRIC:
      return "the self-test failed";
    case CAUSE_RENDEZVOUS:
      return "the nodes did not all meet or reach each other";
    case CAUSE_AUTH:
      return "refused: wrong or missing token";
    case CAUSE_CONFIG:
      if (report.result() == RESULT_REFUSED) {
        return "refused: the agents' settings differ";
      }
      if (report.exit_code() == kConfig) {
        return "a node's settings or its Open MPI do not fit the job";
      }
      return report.exit_code() == kUsage
                 ? "usage: a flag asks for what is not there"
                 : "a fault of muster's own";
    case CAUSE_CANCELLED:
      return "128 + the signal that ended the job";
    case CAUSE_OUTPUT:
      return "not all output was collected";
    default:
      return "a fault of muster's own";
  }
}

absl::string_view WhatHappenedToOthers(CauseKind kind) {
  switch (kind) {
    case CAUSE_EXIT:
      return "exited with a code other than 0";
    case CAUSE_SIGNAL:
      return "died of a signal";
    case CAUSE_OOM:
      return "killed by the kernel: out of memory";
    case CAUSE_SPAWN:
      return "could not be started";
    case CAUSE_NODE_LOST:
      return "lost";
    case CAUSE_CANCELLED:
      return "stopped by muster";
    default:
      return CauseWord(kind);
  }
}

}  // namespace muster::launcher
