// How NCCL numbers its versions.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_VERSION_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_VERSION_H_

#include <cstdint>
#include <string>

namespace muster::fabric {

// 22809 as "2.28.9"; "" for 0.
std::string NcclVersionText(uint32_t version);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_VERSION_H_
