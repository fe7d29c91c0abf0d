#include "tests/support/crash_replay/file_history.h"

#include <algorithm>

namespace muster::test {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kSector = 512;

// What is in a unit of a file, with zeros behind the end.
std::string UnitOf(const std::string& content, size_t number, size_t unit) {
  std::string bytes;
  if (number * unit < content.size())
    bytes = content.substr(number * unit, unit);
  bytes.resize(unit, '\0');
  return bytes;
}

}  // namespace

void FileHistory::Apply(const TraceEvent& event, std::string* content) {
  if (event.kind == TraceEvent::Kind::kResize) {
    content->resize(event.size, '\0');
    return;
  }
  const size_t end = event.offset + event.data.size();
  if (content->size() < end) content->resize(end, '\0');
  content->replace(event.offset, event.data.size(), event.data);
}

void FileHistory::Add(size_t index, const TraceEvent& event) {
  unsynced_.push_back({index, &event});
  Apply(event, &current_);
}

void FileHistory::Sync(size_t index) {
  while (!unsynced_.empty() && unsynced_.front().index < index) {
    Apply(*unsynced_.front().event, &durable_);
    unsynced_.pop_front();
  }
}

FileHistory::Timeline FileHistory::MakeTimeline(size_t unit) const {
  Timeline timeline;
  std::string content = durable_;
  const auto keep = [&](size_t change, uint64_t begin, uint64_t end) {
    const size_t last = (end + unit - 1) / unit;
    if (timeline.units.size() < last) timeline.units.resize(last);
    for (size_t number = begin / unit; number < last; ++number) {
      timeline.units[number].push_back({change, UnitOf(content, number, unit)});
    }
  };
  timeline.sizes.push_back(content.size());
  keep(0, 0, content.size());
  for (size_t i = 0; i < unsynced_.size(); ++i) {
    const TraceEvent& event = *unsynced_[i].event;
    const uint64_t before = content.size();
    Apply(event, &content);
    timeline.sizes.push_back(content.size());
    if (event.kind == TraceEvent::Kind::kWrite) {
      keep(i + 1, event.offset, event.offset + event.data.size());
    } else if (content.size() < before) {
      timeline.cuts.push_back(i + 1);
      keep(i + 1, content.size(), before);
    }
  }
  return timeline;
}

std::string FileHistory::AfterPowerLoss(DiskModel model, Fate* fate) const {
  const size_t unit = model == DiskModel::kLoose ? kSector : kPage;
  const Timeline timeline = MakeTimeline(unit);
  const std::vector<uint64_t>& sizes = timeline.sizes;
  const size_t now = fate->PointInTime(sizes.size());
  const uint64_t size = sizes[now];

  // Data from before a cut that has survived, or from behind one that has not,
  // can't be there.
  size_t oldest = 0;
  size_t newest = sizes.size() - 1;
  for (const size_t cut : timeline.cuts) {
    if (cut <= now) oldest = cut;
    if (cut > now) {
      newest = cut - 1;
      break;
    }
  }
  std::string content;
  for (size_t number = 0; number * unit < size; ++number) {
    const uint64_t covered = std::min<uint64_t>(size, (number + 1) * unit);
    size_t from = oldest;
    if (model == DiskModel::kJournaled) {
      while (sizes[from] < covered) ++from;  // at the latest at `now`
    }
    static const std::vector<Version> never_written;
    const std::vector<Version>& versions =
        number < timeline.units.size() ? timeline.units[number] : never_written;
    // The last one up to `from`, zeros if there is none, and the later ones.
    std::string zeros(unit, '\0');
    std::vector<const std::string*> possible = {&zeros};
    for (const Version& version : versions) {
      if (version.change <= from) {
        possible = {&version.bytes};
      } else if (version.change <= newest) {
        possible.push_back(&version.bytes);
      }
    }
    content += *possible[fate->Version(possible.size())];
  }
  content.resize(size, '\0');
  return content;
}

}  // namespace muster::test
