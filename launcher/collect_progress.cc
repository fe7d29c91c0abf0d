#include "launcher/collect_progress.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "launcher/size.h"

namespace muster::launcher {

CollectProgress::CollectProgress(bool is_terminal, Instant now, uint64_t sent,
                                 Callbacks callbacks)
    : is_terminal_(is_terminal),
      callbacks_(std::move(callbacks)),
      next_(now + (is_terminal ? kSilence : kLogInterval)),
      counted_at_(now),
      counted_(sent) {}

void CollectProgress::Update(Instant now, const State& state) {
  if (now < next_) return;
  next_ = now + (is_terminal_ ? kRedraw : kLogInterval);
  const double seconds =
      std::chrono::duration<double>(now - counted_at_).count();
  // A node that is welcomed again may count less than before.
  const uint64_t more = state.sent - std::min(state.sent, counted_);
  const auto rate =
      static_cast<uint64_t>(static_cast<double>(more) / (seconds + 0.001));
  counted_at_ = now;
  counted_ = state.sent;
  const std::string text = absl::StrCat(
      "collecting: ", ShortSize(state.sent), " sent, ",
      ShortSize(state.waiting), " waiting, ", ShortSize(rate), "/s",
      state.is_connected ? "" : "; the collector does not answer");
  (is_terminal_ ? callbacks_.show : callbacks_.log)(text);
}

}  // namespace muster::launcher
