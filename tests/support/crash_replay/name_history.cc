#include "tests/support/crash_replay/name_history.h"

#include <algorithm>

namespace muster::test {
namespace {

using Kind = TraceEvent::Kind;

std::vector<ObjectId> DirectoriesOf(const TraceEvent& event) {
  if (event.kind == Kind::kAdd || event.kind == Kind::kRemove ||
      event.directory == event.to_directory) {
    return {event.directory};
  }
  return {event.directory, event.to_directory};
}

}  // namespace

NameHistory::NameHistory(const std::vector<TraceObject>& objects) {
  for (ObjectId id = 0; id < objects.size(); ++id) {
    if (!objects[id].entries.empty()) initial_[id] = objects[id].entries;
  }
  current_ = initial_;
}

void NameHistory::Apply(const TraceEvent& event, Names* names) {
  std::map<std::string, ObjectId>& from = (*names)[event.directory];
  std::map<std::string, ObjectId>& to = (*names)[event.to_directory];
  switch (event.kind) {
    case Kind::kAdd:
      from[event.name] = event.object;
      break;
    case Kind::kRemove:
      from.erase(event.name);
      break;
    case Kind::kRename:
      from.erase(event.name);
      to[event.to_name] = event.object;
      break;
    case Kind::kExchange:
      std::swap(from[event.name], to[event.to_name]);
      break;
    default:
      break;
  }
}

void NameHistory::Add(size_t index, const TraceEvent& event) {
  Apply(event, &current_);
  Change change = {index, &event};
  for (const ObjectId directory : DirectoriesOf(event)) {
    const auto last = last_change_.find(directory);
    if (last != last_change_.end()) change.follows.push_back(last->second);
    last_change_[directory] = changes_.size();
  }
  changes_.push_back(std::move(change));
}

void NameHistory::Sync(size_t index, ObjectId object) {
  for (Change& change : changes_) {
    if (change.index >= index) continue;
    if (change.event->object == object) change.is_synced_by_file = true;
    const std::vector<ObjectId> directories = DirectoriesOf(*change.event);
    if (std::count(directories.begin(), directories.end(), object) > 0) {
      change.is_synced_by_directory = true;
    }
  }
}

void NameHistory::SyncAll(size_t index) {
  for (Change& change : changes_) {
    if (change.index < index) change.is_synced_by_directory = true;
  }
}

// One point in time for all.
std::vector<bool> NameHistory::Journaled(Fate* fate) const {
  size_t synced = 0;
  for (size_t i = 0; i < changes_.size(); ++i) {
    if (changes_[i].is_synced_by_directory || changes_[i].is_synced_by_file) {
      synced = i + 1;
    }
  }
  const size_t count = synced + fate->PointInTime(changes_.size() - synced + 1);
  std::vector<bool> survives(changes_.size(), false);
  std::fill_n(survives.begin(), count, true);
  return survives;
}

// A point in time for each directory; renames between two tie them together.
std::vector<bool> NameHistory::Loose(Fate* fate) const {
  std::vector<bool> survives(changes_.size(), false);
  for (size_t i = changes_.size(); i-- > 0;) {
    if (changes_[i].is_synced_by_directory) survives[i] = true;
    if (!survives[i]) continue;
    for (const size_t before : changes_[i].follows) survives[before] = true;
  }
  for (size_t i = 0; i < changes_.size(); ++i) {
    if (survives[i]) continue;
    bool may = fate->PointInTime(2) == 1;
    for (const size_t before : changes_[i].follows) {
      may = may && survives[before];
    }
    survives[i] = may;
  }
  return survives;
}

Names NameHistory::AfterPowerLoss(DiskModel model, Fate* fate) const {
  const std::vector<bool> survives =
      model == DiskModel::kLoose ? Loose(fate) : Journaled(fate);
  Names names = initial_;
  for (size_t i = 0; i < changes_.size(); ++i) {
    if (survives[i]) Apply(*changes_[i].event, &names);
  }
  return names;
}

}  // namespace muster::test
