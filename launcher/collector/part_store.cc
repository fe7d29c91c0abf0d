#include "launcher/collector/part_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace muster::collector {
namespace {

constexpr absl::string_view kRecordSuffix = ".record";

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

absl::StatusOr<std::set<std::string>> NamesIn(int directory) {
  const int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return FileError(errno, "read", ".muster/parts");
  const std::unique_ptr<DIR, CloseDirectory> listing(fdopendir(fd));
  if (!listing) {
    const int error = errno;
    close(fd);
    return FileError(error, "read", ".muster/parts");
  }
  std::set<std::string> names;
  while (const dirent* const entry = readdir(listing.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.insert(name);
  }
  return names;
}

}  // namespace

PartStore::PartStore(Fd directory, Quota& quota)
    : directory_(std::move(directory)), quota_(quota) {}

PartStore::~PartStore() {
  for (const auto& part : parked_) quota_.Refund(part->bytes());
}

absl::StatusOr<std::unique_ptr<PartStore>> PartStore::Open(int hidden,
                                                           Quota& quota) {
  if (mkdirat(hidden, "parts", 0700) != 0 && errno != EEXIST) {
    return FileError(errno, "make", ".muster/parts");
  }
  Fd directory(
      openat(hidden, "parts", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory.is_open()) return FileError(errno, "open", ".muster/parts");
  std::unique_ptr<PartStore> store(new PartStore(std::move(directory), quota));
  const absl::Status scanned = store->Scan();
  if (!scanned.ok()) return scanned;
  return store;
}

absl::Status PartStore::Scan() {
  absl::StatusOr<std::set<std::string>> names = NamesIn(directory_.get());
  if (!names.ok()) return names.status();
  // Those made last are the ones that are sent again soonest.
  std::vector<std::pair<uint64_t, std::unique_ptr<Part>>> found;
  for (const std::string& name : *names) {
    absl::string_view base = name;
    const bool is_record = absl::ConsumeSuffix(&base, kRecordSuffix);
    uint64_t serial = 0;
    if (!absl::SimpleAtoi(base.substr(base.find('-') + 1), &serial)) continue;
    serial_ = std::max(serial_, serial + 1);
    if (!is_record) continue;
    std::unique_ptr<Part> part =
        Part::Restore(directory_.get(), std::string(base));
    if (part) found.emplace_back(serial, std::move(part));
  }
  std::set<std::string> kept;
  for (const auto& [serial, part] : found) {
    kept.insert(part->name());
    kept.insert(absl::StrCat(part->name(), kRecordSuffix));
  }
  for (const std::string& name : *names) {
    if (kept.count(name) == 0) unlinkat(directory_.get(), name.c_str(), 0);
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [serial, part] : found) {
    if (quota_.Charge(part->bytes())) {
      Park(std::move(part));
    } else {
      part->Remove();
    }
  }
  return absl::OkStatus();
}

std::string PartStore::NewName(uint32_t node) {
  return absl::StrCat(node, "-", serial_++);
}

std::unique_ptr<Part> PartStore::Take(const PartIdentity& identity) {
  std::unique_ptr<Part> taken;
  for (auto i = parked_.begin(); i != parked_.end();) {
    const PartIdentity& other = (*i)->identity();
    if (other.node != identity.node || other.path != identity.path) {
      ++i;
      continue;
    }
    std::unique_ptr<Part> part = std::move(*i);
    i = parked_.erase(i);
    if (!taken && other == identity) {
      taken = std::move(part);
    } else {
      Drop(std::move(part));
    }
  }
  return taken;
}

absl::StatusOr<std::unique_ptr<Part>> PartStore::Make(PartIdentity identity) {
  std::string name = NewName(identity.node);
  return Part::Create(directory_.get(), std::move(name), std::move(identity));
}

void PartStore::Park(std::unique_ptr<Part> part) {
  const uint32_t node = part->identity().node;
  if (part->identity().version.size() < kResumeFrom ||
      (part->is_verified() &&
       (part->offset() < kResumeFrom || !part->Park().ok()))) {
    return Drop(std::move(part));
  }
  const auto is_of_node = [node](const std::unique_ptr<Part>& other) {
    return other->identity().node == node;
  };
  if (static_cast<size_t>(std::count_if(parked_.begin(), parked_.end(),
                                        is_of_node)) >= kMaxParked) {
    const auto oldest =
        std::find_if(parked_.begin(), parked_.end(), is_of_node);
    std::unique_ptr<Part> dropped = std::move(*oldest);
    parked_.erase(oldest);
    Drop(std::move(dropped));
  }
  parked_.push_back(std::move(part));
}

void PartStore::Drop(std::unique_ptr<Part> part) {
  quota_.Refund(part->bytes());
  part->Remove();
}

void PartStore::DropAll(uint32_t node) {
  for (auto i = parked_.begin(); i != parked_.end();) {
    if ((*i)->identity().node != node) {
      ++i;
      continue;
    }
    Drop(std::move(*i));
    i = parked_.erase(i);
  }
}

}  // namespace muster::collector
