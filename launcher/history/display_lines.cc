#include "launcher/history/display_lines.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "launcher/terminal/harmless.h"

namespace muster::history {

using terminal::WholeCharacters;

void DisplayLines::Add(absl::string_view bytes, Sink sink) {
  while (!bytes.empty()) {
    if (after_return_) {
      after_return_ = false;
      if (bytes.front() == '\n') {
        bytes.remove_prefix(1);
        if (returned_empty_) sink("", true);
        continue;
      }
    }
    const size_t end =
        std::find_if(bytes.begin(), bytes.end(),
                     [](char byte) { return byte == '\n' || byte == '\r'; }) -
        bytes.begin();
    absl::string_view text = bytes.substr(0, end);
    const bool whole = kept_.empty() && shown_ + text.size() <= kMaxDisplayLine;
    if (end == bytes.size()) return Extend(text, sink);
    if (!whole) {
      Extend(text, sink);
      text = "";
    }
    const bool is_empty = text.empty() && kept_.empty() && shown_ == 0;
    if (bytes[end] == '\r') {
      after_return_ = true;
      returned_empty_ = is_empty;
    }
    if (bytes[end] == '\n' || !is_empty) EndLine(text, sink);
    bytes.remove_prefix(end + 1);
  }
}

// Adds bytes without line ends, and cuts where they get too long.
void DisplayLines::Extend(absl::string_view bytes, Sink sink) {
  while (!bytes.empty()) {
    const size_t room = kMaxDisplayLine - shown_ - kept_.size();
    if (room == 0) {
      const size_t cut = WholeCharacters(kept_);
      sink(absl::string_view(kept_).substr(0, cut), true);
      kept_.erase(0, cut);
      shown_ = 0;
      continue;
    }
    const size_t taken = std::min(bytes.size(), room);
    absl::StrAppend(&kept_, bytes.substr(0, taken));
    bytes.remove_prefix(taken);
  }
}

// Either `rest` or what is kept back is empty.
void DisplayLines::EndLine(absl::string_view rest, Sink sink) {
  sink(kept_.empty() ? rest : absl::string_view(kept_), true);
  kept_.clear();
  shown_ = 0;
}

void DisplayLines::Show(Sink sink) {
  const size_t whole = WholeCharacters(kept_);
  if (whole == 0) return;
  sink(absl::string_view(kept_).substr(0, whole), false);
  kept_.erase(0, whole);
  shown_ += whole;
}

void DisplayLines::End(Sink sink) {
  if (!kept_.empty()) sink(kept_, false);
  kept_.clear();
  shown_ = 0;
  after_return_ = false;
}

}  // namespace muster::history
