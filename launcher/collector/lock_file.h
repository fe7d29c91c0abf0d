// One process at a time, and who that is.
#ifndef MUSTER_LAUNCHER_COLLECTOR_LOCK_FILE_H_
#define MUSTER_LAUNCHER_COLLECTOR_LOCK_FILE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "launcher/collector/beneath.h"

namespace muster::collector {

// Locks the file `name` in `directory`, made where it is missing, until the
// descriptor is closed, and writes into it who holds it. The kernel lets go of
// the lock of a process that dies.
//
// Errors:
//   AlreadyExists  another one holds it: "process 12 on node3 uses <shown>".
//   others         as FileError.
absl::StatusOr<Fd> LockFile(int directory, const std::string& name,
                            absl::string_view shown);

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_LOCK_FILE_H_
