// The files of a run that are not whole yet.
#ifndef MUSTER_LAUNCHER_COLLECTOR_PART_STORE_H_
#define MUSTER_LAUNCHER_COLLECTOR_PART_STORE_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "launcher/collector/beneath.h"
#include "launcher/collector/part.h"
#include "launcher/collector/quota.h"

namespace muster::collector {

// Job: keep the parts of one run in ".muster/parts", those that nobody sends at
// the moment as well, so that a transfer that was cut can go on. A node has at
// most kMaxParked of these: the one that waits for longest is given up.
// Life cycle: Open finds what an earlier process left: parts with a record are
// kept, all else there is removed.
// Threads: one at a time.
// Ownership: borrows the descriptor and the quota, which must outlive it. Parts
// that it gave out may outlive it.
//
// Errors, where no others are listed: as FileError (beneath.h).
class PartStore {
 public:
  static constexpr size_t kMaxParked = 64;

  // `hidden` is the run's ".muster". What is found counts against the quota
  // for as long as this lives.
  static absl::StatusOr<std::unique_ptr<PartStore>> Open(int hidden,
                                                         Quota& quota);

  ~PartStore();
  PartStore(const PartStore&) = delete;
  PartStore& operator=(const PartStore&) = delete;

  int directory() const { return directory_.get(); }

  // A name for a new part of the node.
  std::string NewName(uint32_t node);

  // The parked part of that identity, or null; other versions of the file are
  // given up.
  std::unique_ptr<Part> Take(const PartIdentity& identity);

  // A new and empty one, open.
  absl::StatusOr<std::unique_ptr<Part>> Make(PartIdentity identity);

  // Keeps the part for later where it is worth it, else removes it.
  void Park(std::unique_ptr<Part> part);
  // Removes it, and takes its bytes off the quota.
  void Drop(std::unique_ptr<Part> part);
  // The node needs none of its parts any more.
  void DropAll(uint32_t node);

  size_t parked() const { return parked_.size(); }

 private:
  PartStore(Fd directory, Quota& quota);
  absl::Status Scan();

  const Fd directory_;
  Quota& quota_;
  uint64_t serial_ = 0;
  std::list<std::unique_ptr<Part>> parked_;  // the one parked first is first
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_PART_STORE_H_
