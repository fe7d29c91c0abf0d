#include "launcher/files/follow_names.h"

#include <cstdint>
#include <optional>

#include "absl/strings/str_cat.h"

namespace muster::files {

using Action = FollowNames::Action;

std::vector<Action> FollowNames::Look(
    const std::vector<std::pair<std::string, FileKey>>& seen) {
  std::vector<Action> actions;
  // One name for each file.
  std::map<FileKey, std::string> now;
  for (const auto& [path, key] : seen) {
    const auto known = files_.find(key);
    const bool had_it = known != files_.end() && known->second.name == path;
    if (had_it || now.count(key) == 0) now[key] = path;
  }
  for (auto& [key, tracked] : files_) {
    if (tracked.gone || now.count(key) != 0) continue;
    tracked.gone = true;
    actions.push_back({.kind = Action::Kind::kGone, .file = key});
  }
  std::map<FileKey, std::string> moved;
  for (const auto& [key, path] : now) {
    const auto known = files_.find(key);
    if (known == files_.end()) continue;
    known->second.gone = false;
    if (known->second.name != path) moved[key] = path;
  }
  MoveAll(std::move(moved), &actions);
  for (const auto& [key, path] : now) {
    if (files_.count(key) != 0) continue;
    Release(path, &actions);
    files_[key] = {.name = path};
    names_[path] = key;
    actions.push_back({.kind = Action::Kind::kStart, .file = key, .to = path});
  }
  return actions;
}

// Each after the one that has its new name now. Of a circle, one steps aside.
void FollowNames::MoveAll(std::map<FileKey, std::string> wanted,
                          std::vector<Action>* actions) {
  while (!wanted.empty()) {
    bool moved = false;
    for (auto i = wanted.begin(); i != wanted.end();) {
      const auto holder = names_.find(i->second);
      if (holder != names_.end() && wanted.count(holder->second) != 0) {
        ++i;
        continue;
      }
      Release(i->second, actions);
      Rename(i->first, i->second, actions);
      i = wanted.erase(i);
      moved = true;
    }
    if (moved || wanted.empty()) continue;
    const auto& [file, to] = *wanted.begin();
    Rename(file, FreeName(to, ".moving-", SIZE_MAX), actions);
  }
}

void FollowNames::Rename(FileKey file, const std::string& to,
                         std::vector<Action>* actions) {
  Tracked& tracked = files_.at(file);
  actions->push_back(
      {.kind = Action::Kind::kMove, .from = tracked.name, .to = to});
  names_.erase(tracked.name);
  names_[to] = file;
  tracked.name = to;
}

// Makes the name free at the collector.
void FollowNames::Release(const std::string& name,
                          std::vector<Action>* actions) {
  const auto holder = names_.find(name);
  const bool is_left = left_.count(name) != 0;
  if (holder == names_.end() && !is_left) return;
  const std::string aside = FreeName(name, ".replaced-", kMaxKept);
  if (aside.empty()) {
    // Too many are kept: this one is replaced.
    left_.erase(name);
    if (holder != names_.end()) {
      actions->push_back(
          {.kind = Action::Kind::kForget, .file = holder->second});
      files_.erase(holder->second);
      names_.erase(holder);
    }
    return;
  }
  if (holder != names_.end()) return Rename(holder->second, aside, actions);
  actions->push_back({.kind = Action::Kind::kMove, .from = name, .to = aside});
  left_.erase(name);
  left_.insert(aside);
}

std::vector<Action> FollowNames::Truncated(FileKey file) {
  const std::string name = NameOf(file);
  const std::string aside = FreeName(name, ".truncated-", kMaxKept);
  if (aside.empty()) return {};
  left_.insert(aside);
  return {{.kind = Action::Kind::kMove, .from = name, .to = aside}};
}

// "" when so many are there already.
std::string FollowNames::FreeName(const std::string& name, const char* what,
                                  size_t most) {
  size_t& number = kept_[name + what];
  std::string free;
  do {
    if (number >= most) return "";
    free = absl::StrCat(name, what, ++number);
  } while (names_.count(free) != 0 || left_.count(free) != 0);
  return free;
}

void FollowNames::Forget(FileKey file) {
  const auto found = files_.find(file);
  if (found == files_.end()) return;
  names_.erase(found->second.name);
  left_.insert(found->second.name);
  files_.erase(found);
}

std::string FollowNames::NameOf(FileKey file) const {
  const auto found = files_.find(file);
  return found == files_.end() ? "" : found->second.name;
}

bool FollowNames::IsGone(FileKey file) const {
  const auto found = files_.find(file);
  return found != files_.end() && found->second.gone;
}

const FileKey* FollowNames::At(const std::string& name) const {
  const auto found = names_.find(name);
  return found == names_.end() ? nullptr : &found->second;
}

}  // namespace muster::files
