#include "launcher/history/merged_lines.h"

#include "absl/strings/str_cat.h"

namespace muster::history {

void MergedLines::Add(const LogKey& log, absl::string_view prefix,
                      absl::string_view text, bool ends, std::string* out) {
  if (open_ != log) {
    // The mere end of a line that has been ended.
    const bool was_interrupted = interrupted_.erase(log) > 0;
    if (was_interrupted && text.empty() && ends) return;
    Close(out);
    absl::StrAppend(out, prefix);
  }
  absl::StrAppend(out, text, ends ? "\n" : "");
  if (ends) {
    open_.reset();
  } else {
    open_ = log;
  }
}

void MergedLines::Note(absl::string_view prefix, absl::string_view text,
                       std::string* out) {
  Close(out);
  absl::StrAppend(out, prefix, text, "\n");
}

void MergedLines::Close(std::string* out) {
  if (!open_) return;
  absl::StrAppend(out, "\n");
  interrupted_.insert(*open_);
  open_.reset();
}

}  // namespace muster::history
