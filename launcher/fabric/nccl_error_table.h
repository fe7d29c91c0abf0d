// What NCCL's messages mean, as data; nccl_errors.h is who reads it.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_ERROR_TABLE_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_ERROR_TABLE_H_

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "launcher/fabric/nccl_errors.h"

namespace muster::fabric {

// A message that holds both texts, in any case. "status <n>" as the second one
// is the status of an RDMA completion, however it is written.
struct NcclErrorRow {
  absl::string_view first;
  absl::string_view second;
  NcclBlame blame;
  absl::string_view cause;  // {peer} and {hca} are to be filled in
  absl::string_view next;
};

// The first row that fits counts.
absl::Span<const NcclErrorRow> NcclErrorRows();

// Where only the code is known. Null for a code that is unknown.
const NcclErrorRow* NcclErrorRowOfCode(int code);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_ERROR_TABLE_H_
