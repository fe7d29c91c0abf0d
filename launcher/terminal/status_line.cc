#include "launcher/terminal/status_line.h"

#include <unistd.h>

#include <string>

#include "absl/base/const_init.h"
#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

namespace muster::terminal {
namespace {

ABSL_CONST_INIT absl::Mutex mutex(absl::kConstInit);
bool shown ABSL_GUARDED_BY(mutex) = false;

constexpr absl::string_view kErase = "\r\x1b[K";

void Write(absl::string_view text) {
  const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
  static_cast<void>(written);  // nobody looks
}

}  // namespace

void EraseStatusLine() {
  const absl::MutexLock lock(&mutex);
  if (shown) Write(kErase);
  shown = false;
}

StatusLine::StatusLine() : is_on_(isatty(STDERR_FILENO) == 1) {}

StatusLine::~StatusLine() { Clear(); }

void StatusLine::Show(absl::string_view text) {
  if (!is_on_) return;
  const absl::MutexLock lock(&mutex);
  Write(absl::StrCat("\r", text, kErase.substr(1)));
  shown = true;
}

void StatusLine::Clear() {
  if (is_on_) EraseStatusLine();
}

}  // namespace muster::terminal
