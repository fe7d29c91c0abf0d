#include "launcher/files/file_plan.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "absl/strings/match.h"
#include "launcher/framing/digest.h"

namespace muster::files {

bool MarksCompleteness(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  return name == ".metadata" || name == "latest" || name == "checkpoint" ||
         absl::EndsWith(name, ".index.json");
}

FilePlan::Key FilePlan::KeyOf(const std::string& path) {
  framing::Digest digest;
  digest.Update(path);
  const std::string value = digest.Value();
  Key key;
  memcpy(&key.first, value.data(), sizeof key.first);
  memcpy(&key.second, value.data() + sizeof key.first, sizeof key.second);
  return key;
}

bool FilePlan::Add(Notice notice) {
  const auto found = waiting_.find(notice.path);
  if (found == waiting_.end()) {
    if (waiting_.size() >= kMaxWaiting) return false;
    Wait(notice.path,
         {notice.due, next_order_++, notice.expected, notice.size});
    return true;
  }
  // What is known for sure beats what has to be looked at.
  if (notice.expected && !found->second.expected) return true;
  // Seen once more as it was: it is quiet for as long.
  if (notice.expected && notice.expected == found->second.expected) return true;
  const Waiting entry = {notice.due, found->second.order, notice.expected,
                         std::max(notice.size, found->second.size)};
  Ended(notice.path);
  Wait(notice.path, entry);
  return true;
}

void FilePlan::Wait(const std::string& path, const Waiting& entry) {
  waiting_[path] = entry;
  waiting_bytes_ += entry.size;
  if (MarksCompleteness(path)) {
    markers_.insert({entry.order, path});
  } else {
    due_.insert({entry.due, entry.order, path});
    orders_.insert(entry.order);
  }
}

// Neither waiting nor under way.
void FilePlan::Ended(const std::string& path) {
  const bool is_marker = MarksCompleteness(path);
  const auto waiting = waiting_.find(path);
  if (waiting != waiting_.end()) {
    const Waiting& entry = waiting->second;
    waiting_bytes_ -= entry.size;
    if (is_marker) {
      markers_.erase({entry.order, path});
    } else {
      due_.erase({entry.due, entry.order, path});
      orders_.erase(entry.order);
    }
    waiting_.erase(waiting);
    return;
  }
  const auto under_way = under_way_.find(path);
  if (under_way == under_way_.end()) return;
  if (!is_marker) orders_.erase(under_way->second);
  under_way_.erase(under_way);
}

bool FilePlan::AllBefore(uint64_t order) const {
  return orders_.empty() || *orders_.begin() > order;
}

bool FilePlan::IsKnown(const std::string& path, const Version& version) const {
  const auto found = known_.find(KeyOf(path));
  return found != known_.end() && found->second == Fingerprint(version);
}

std::optional<FilePlan::Candidate> FilePlan::Next(Instant now) {
  std::optional<std::string> path;
  for (const auto& [order, marker] : markers_) {
    if (!AllBefore(order)) break;
    if (waiting_.at(marker).due > now || under_way_.count(marker) != 0)
      continue;
    path = marker;
    break;
  }
  for (auto i = due_.begin(); !path && i != due_.end(); ++i) {
    if (std::get<0>(*i) > now) break;
    // The same file, still on its way in another version, goes first.
    if (under_way_.count(std::get<2>(*i)) == 0) path = std::get<2>(*i);
  }
  if (!path) return std::nullopt;
  const Waiting entry = waiting_.at(*path);
  Ended(*path);
  under_way_[*path] = entry.order;
  if (!MarksCompleteness(*path)) orders_.insert(entry.order);
  return Candidate{*path, entry.expected};
}

std::optional<Instant> FilePlan::NextDue() const {
  std::optional<Instant> next;
  const auto consider = [&](Instant due, const std::string& path) {
    if (under_way_.count(path) != 0) return false;
    next = next ? std::min(*next, due) : due;
    return true;
  };
  for (const auto& [due, order, path] : due_) {
    if (consider(due, path)) break;
  }
  for (const auto& [order, path] : markers_) {
    if (!AllBefore(order)) break;
    consider(waiting_.at(path).due, path);
  }
  return next;
}

FilePlan::Look FilePlan::Decide(const Candidate& candidate,
                                const Version& version, Instant now,
                                int64_t wall_ns) {
  const std::string& path = candidate.path;
  if (IsKnown(path, version)) {
    Drop(path);
    return Look::kKnown;
  }
  const uint64_t fingerprint = Fingerprint(version);
  if (candidate.expected && *candidate.expected != fingerprint) {
    Drop(path);
    Add({path, now + kQuiet, fingerprint, version.size});
    return Look::kWait;
  }
  const int64_t age_ns = wall_ns - std::max(version.ctime_ns, version.mtime_ns);
  const int64_t tick_ns = std::chrono::nanoseconds(kClockTick).count();
  if (age_ns > -tick_ns && age_ns < tick_ns) {
    return Changed(path, now) ? Look::kWait : Look::kUnstable;
  }
  return Look::kSend;
}

void FilePlan::Stored(const std::string& path, const Version& version) {
  known_[KeyOf(path)] = Fingerprint(version);
  changes_.erase(path);
  Drop(path);
}

void FilePlan::Again(const std::string& path, Instant now) {
  const auto found = under_way_.find(path);
  if (found == under_way_.end()) return;
  const uint64_t order = found->second;
  under_way_.erase(found);
  orders_.erase(order);
  // What came meanwhile stands for this one as well.
  if (waiting_.count(path) == 0) Wait(path, {now, order, {}, 0});
}

void FilePlan::Drop(const std::string& path) {
  const auto found = under_way_.find(path);
  if (found == under_way_.end()) return;
  orders_.erase(found->second);
  under_way_.erase(found);
}

bool FilePlan::Changed(const std::string& path, Instant now) {
  const int changes = ++changes_[path];
  if (changes >= kMaxChanges) {
    changes_.erase(path);
    Drop(path);
    return false;
  }
  const Duration pause =
      std::min<Duration>(kFirstAgain * (1 << (changes - 1)), kLastAgain);
  Again(path, now + pause);
  return true;
}

void FilePlan::Hurry(Instant now) {
  const std::map<std::string, Waiting> all = waiting_;
  for (auto [path, entry] : all) {
    Ended(path);
    entry.due = now;
    entry.expected.reset();
    Wait(path, entry);
  }
}

}  // namespace muster::files
