#include "rendezvous/rejections.h"

#include <grpc/support/log.h>

#include <utility>
#include <vector>

#include "absl/base/call_once.h"
#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace muster::rendezvous {
namespace {

using Callback = RejectionWatch::Callback;

// Callbacks run while `mutex` is held for reading, which is what lets a watch
// end only when no call to it runs.
struct Listeners {
  absl::Mutex mutex;
  std::vector<std::shared_ptr<const Callback>> watches;
  std::function<void(const std::string&)> error_sink;
};

// Never destroyed: gRPC logs until the very end of the process.
Listeners& TheListeners() {
  static Listeners* const listeners = new Listeners;
  return *listeners;
}

// The line that gRPC 1.51 writes, at DEBUG, when a handshake fails at a
// server; a client has others. It holds the reason of TLS in OpenSSL's words.
constexpr absl::string_view kServerFile = "chttp2_server.cc";
constexpr absl::string_view kServerLine = "Handshaking failed: ";
// Written at ERROR just before, by servers and clients alike. A client gets
// the same text as the status of its calls.
constexpr absl::string_view kTlsFile = "ssl_transport_security.cc";

// Words for people, or "" when the peer only went away: that is a port scan, a
// health check, or a gRPC client that disliked us (which sends no alert).
std::string ReasonOf(absl::string_view line) {
  const auto has = [&](absl::string_view part) {
    return absl::StrContains(line, part);
  };
  if (has("did not return a certificate"))
    return "a peer without a certificate";
  if (has("certificate verify failed") || has("alert unknown ca")) {
    return "a peer whose token (or --tls-ca) differs";
  }
  if (has("alert bad certificate") || has("alert certificate")) {
    return "a peer that does not accept the name or dates in our certificate";
  }
  if (has("http request") || has("https proxy request") ||
      has("wrong version number") || has("wrong ssl version") ||
      has("packet length too long") || has("unexpected message") ||
      has("bad record type") || has("record layer failure")) {
    return "a peer that does not speak TLS";
  }
  constexpr absl::string_view kOpenssl = "SSL routines::";
  const size_t at = line.find(kOpenssl);
  if (at == absl::string_view::npos) return "";
  absl::string_view rest = line.substr(at + kOpenssl.size());
  rest = rest.substr(0, rest.find(" {"));
  return absl::StrCat("a peer with which TLS failed: ", rest);
}

void OnLog(gpr_log_func_args* args) {
  // A listener that makes gRPC log again must not come back here.
  thread_local bool busy = false;
  if (busy) return;
  busy = true;
  absl::Cleanup done = [] { busy = false; };

  const absl::string_view file = args->file;
  const absl::string_view line = args->message;
  Listeners& listeners = TheListeners();
  if (absl::EndsWith(file, kServerFile) &&
      absl::StartsWith(line, kServerLine)) {
    const std::string reason = ReasonOf(line);
    if (reason.empty()) return;
    absl::ReaderMutexLock lock(&listeners.mutex);
    for (const auto& watch : listeners.watches) (*watch)(reason);
  } else if (args->severity == GPR_LOG_SEVERITY_ERROR &&
             !absl::EndsWith(file, kTlsFile)) {
    absl::ReaderMutexLock lock(&listeners.mutex);
    if (listeners.error_sink) {
      listeners.error_sink(absl::StrCat("gRPC: ", line));
    }
  }
}

}  // namespace

void TakeOverGrpcLog() {
  static absl::once_flag once;
  absl::call_once(once, [] {
    gpr_set_log_function(OnLog);
    // Set before gRPC starts, this also beats GRPC_VERBOSITY.
    gpr_set_log_verbosity(GPR_LOG_SEVERITY_DEBUG);
  });
}

void SetGrpcErrorSink(std::function<void(const std::string& line)> sink) {
  TakeOverGrpcLog();
  absl::MutexLock lock(&TheListeners().mutex);
  TheListeners().error_sink = std::move(sink);
}

RejectionWatch::RejectionWatch(Callback callback)
    : callback_(std::make_shared<const Callback>(std::move(callback))) {
  TakeOverGrpcLog();
  absl::MutexLock lock(&TheListeners().mutex);
  TheListeners().watches.push_back(callback_);
}

RejectionWatch::~RejectionWatch() {
  absl::MutexLock lock(&TheListeners().mutex);
  std::erase(TheListeners().watches, callback_);
}

}  // namespace muster::rendezvous
