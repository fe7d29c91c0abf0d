#include "launcher/fabric/nccl_errors.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "launcher/fabric/nccl_error_table.h"

namespace muster::fabric {
namespace {

using absl::string_view;

constexpr string_view kCodeNames[] = {
    "ncclSuccess",       "ncclUnhandledCudaError", "ncclSystemError",
    "ncclInternalError", "ncclInvalidArgument",    "ncclInvalidUsage",
    "ncclRemoteError",   "ncclInProgress",         "ncclTimeout"};

// What follows `mark`, in any case; empty without it.
string_view After(string_view text, string_view lower, string_view mark) {
  const size_t at = lower.find(mark);
  return at == string_view::npos ? "" : text.substr(at + mark.size());
}

// "10.0.0.2<5000>", "node2<5000>", "fe80::1%ib0<5000>" -> without the port.
std::string PeerOf(string_view text, string_view lower) {
  for (const string_view mark :
       {"peer ", "connect to ", "failed to connect "}) {
    const string_view after = After(text, lower, mark);
    const string_view word = after.substr(0, after.find_first_of(" ,;"));
    const size_t port = word.find('<');
    if (port != string_view::npos && port > 0) {
      return std::string(word.substr(0, port));
    }
  }
  return "";
}

// "... hca mlx5_0", "NET/IB : mlx5_0:1 async fatal event".
std::string HcaOf(string_view text, string_view lower) {
  string_view after = After(text, lower, " hca ");
  if (!after.empty()) {
    return std::string(after.substr(0, after.find_first_of(" ,;")));
  }
  const size_t event = std::min(lower.find(" async fatal event"),
                                lower.find(" gid table changed"));
  if (event == string_view::npos) return "";
  after = text.substr(0, event);
  const size_t space = after.rfind(' ');
  if (space != string_view::npos) after = after.substr(space + 1);
  return std::string(after.substr(0, after.find(':')));
}

// Of an RDMA completion: "status=12", "status=IBV_WC_RETRY_EXC_ERR(12)", "with
// error 12,".
std::optional<int> StatusOf(string_view text, string_view lower) {
  string_view after = After(text, lower, "status=");
  if (after.empty()) after = After(text, lower, "with error ");
  after = after.substr(0, after.find_first_of(" ,"));
  const size_t bracket = after.find('(');
  if (bracket != string_view::npos) after = after.substr(bracket + 1);
  const auto end = std::find_if_not(after.begin(), after.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c));
  });
  int status = 0;
  const string_view digits(after.data(), end - after.begin());
  if (!absl::SimpleAtoi(digits, &status)) return std::nullopt;
  return status;
}

std::string Fill(string_view text, const NcclCause& cause) {
  string_view peer = cause.peer;
  string_view hca = cause.hca;
  if (peer.empty()) peer = "the peer";
  if (hca.empty()) hca = "the NIC";
  return absl::StrReplaceAll(text, {{"{peer}", peer}, {"{hca}", hca}});
}

bool Fits(const NcclErrorRow& row, string_view lower,
          std::optional<int> status) {
  if (!absl::StrContains(lower, absl::AsciiStrToLower(row.first))) return false;
  if (absl::StartsWith(row.second, "status ")) {
    return status.has_value() && row.second == absl::StrCat("status ", *status);
  }
  return absl::StrContains(lower, absl::AsciiStrToLower(row.second));
}

std::optional<NcclCause> Explain(const std::string& message) {
  const std::string lower = absl::AsciiStrToLower(message);
  const std::optional<int> status = StatusOf(message, lower);
  for (const NcclErrorRow& row : NcclErrorRows()) {
    if (!Fits(row, lower, status)) continue;
    NcclCause cause;
    cause.blame = row.blame;
    cause.peer = PeerOf(message, lower);
    cause.hca = HcaOf(message, lower);
    cause.cause = Fill(row.cause, cause);
    cause.next = Fill(row.next, cause);
    cause.message = message;
    return cause;
  }
  return std::nullopt;
}

}  // namespace

std::string NcclCodeName(int code) {
  if (code >= 0 && code < static_cast<int>(std::size(kCodeNames))) {
    return std::string(kCodeNames[code]);
  }
  return absl::StrCat("NCCL error ", code);
}

NcclCause ExplainNcclError(int code, const std::vector<std::string>& messages) {
  std::optional<NcclCause> unclear;
  for (const std::string& message : messages) {
    std::optional<NcclCause> cause = Explain(message);
    if (!cause.has_value()) continue;
    if (cause->blame != NcclBlame::kUnclear) return *std::move(cause);
    if (!unclear.has_value()) unclear = std::move(cause);
  }
  if (unclear.has_value()) return *std::move(unclear);
  NcclCause cause;
  cause.cause = NcclCodeName(code);
  cause.next = "NCCL's log";
  if (const NcclErrorRow* row = NcclErrorRowOfCode(code); row != nullptr) {
    cause.blame = row->blame;
    cause.cause = Fill(row->cause, cause);
    cause.next = Fill(row->next, cause);
  }
  return cause;
}

}  // namespace muster::fabric
