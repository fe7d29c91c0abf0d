#include "launcher/fabric/store.h"

#include <utility>

namespace muster::fabric {
namespace {

StoreValue Answer(const StoreRequest& request, uint32_t rank,
                  const std::string& value) {
  StoreValue answer;
  answer.set_group(request.group());
  answer.set_rank(rank);
  answer.set_key(request.key());
  answer.set_value(value);
  return answer;
}

}  // namespace

std::vector<StoreValue> ValueStore::Handle(const StoreRequest& request) {
  std::vector<StoreValue> answers;
  if (request.key().size() > kLongestKey) return answers;
  if (request.has_put()) {
    if (request.put().size() > kLargestValue || values_.size() >= kMostKeys) {
      return answers;
    }
    const auto [value, fresh] =
        values_.try_emplace(request.key(), request.put());
    if (!fresh) return answers;
    const auto waiting = waiting_.extract(request.key());
    if (waiting.empty()) return answers;
    for (const uint32_t rank : waiting.mapped()) {
      answers.push_back(Answer(request, rank, value->second));
    }
  } else if (request.get()) {
    const auto value = values_.find(request.key());
    if (value != values_.end()) {
      answers.push_back(Answer(request, request.rank(), value->second));
    } else if (waiting_.size() < kMostKeys) {
      waiting_[request.key()].insert(request.rank());
    }
  }
  return answers;
}

}  // namespace muster::fabric
