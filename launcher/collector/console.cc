#include "launcher/collector/console.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "launcher/terminal/status_line.h"

namespace muster::collector {
namespace {

constexpr size_t kMaxLine = 64 * 1024;

// Ends the line: moves it to `out`.
void Print(uint32_t rank, std::string& text, std::string& out) {
  absl::StrAppend(&out, "[", rank, "] ", text, "\n");
  text.clear();
}

// Adds bytes without line ends, and cuts where they get too long.
void Extend(uint32_t rank, absl::string_view bytes, std::string& text,
            std::string& out) {
  while (!bytes.empty()) {
    if (text.size() == kMaxLine) Print(rank, text, out);
    const size_t taken = std::min(bytes.size(), kMaxLine - text.size());
    absl::StrAppend(&text, bytes.substr(0, taken));
    bytes.remove_prefix(taken);
  }
}

}  // namespace

ConsolePrinter::ConsolePrinter(Console mode, Sink sink)
    : mode_(mode), sink_(std::move(sink)) {}

bool ConsolePrinter::IsShown(uint32_t rank) const {
  return mode_ == CONSOLE_ALL || (mode_ == CONSOLE_FIRST && rank == 0);
}

void ConsolePrinter::Write(uint32_t rank, bool is_stderr,
                           absl::string_view bytes) {
  if (!IsShown(rank)) return;
  Line& line = lines_[{rank, is_stderr}];
  std::string out;
  while (!bytes.empty()) {
    if (line.after_return) {
      line.after_return = false;
      if (bytes.front() == '\n') {
        bytes.remove_prefix(1);
        if (line.returned_empty) Print(rank, line.text, out);
        continue;
      }
    }
    const size_t end = bytes.find_first_of("\r\n");
    Extend(rank, bytes.substr(0, end), line.text, out);
    if (end == absl::string_view::npos) break;
    if (bytes[end] == '\r') {
      line.after_return = true;
      line.returned_empty = line.text.empty();
    }
    if (bytes[end] == '\n' || !line.text.empty()) {
      Print(rank, line.text, out);
    }
    bytes.remove_prefix(end + 1);
  }
  if (!out.empty()) sink_(out);
}

void ConsolePrinter::End(uint32_t rank, bool is_stderr) {
  const auto found = lines_.find({rank, is_stderr});
  if (found == lines_.end()) return;
  std::string out;
  if (!found->second.text.empty()) Print(rank, found->second.text, out);
  lines_.erase(found);
  if (!out.empty()) sink_(out);
}

void ConsolePrinter::EndAll() {
  while (!lines_.empty()) {
    const auto [rank, is_stderr] = lines_.begin()->first;
    End(rank, is_stderr);
  }
}

void ConsoleWriter::Write(absl::string_view bytes) {
  terminal::EraseStatusLine();
  while (!bytes.empty() && !silent_) {
    const ssize_t written = write(fd_, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {
      pollfd ready = {fd_, POLLOUT, 0};
      poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      silent_ = true;
    }
  }
}

}  // namespace muster::collector
