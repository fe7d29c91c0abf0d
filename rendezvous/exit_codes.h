// The exit codes that the rendezvous itself decides on, as the proto has them.
// What each one tells people stands in launcher/exit_codes.h.
#ifndef MUSTER_RENDEZVOUS_EXIT_CODES_H_
#define MUSTER_RENDEZVOUS_EXIT_CODES_H_

#include <cstdint>

namespace muster::rendezvous {

inline constexpr uint32_t kExitUsage = 64;
inline constexpr uint32_t kExitRendezvous = 69;
inline constexpr uint32_t kExitInternal = 70;
inline constexpr uint32_t kExitNodeLost = 75;
inline constexpr uint32_t kExitFabric = 76;
inline constexpr uint32_t kExitAuth = 77;
inline constexpr uint32_t kExitConfig = 78;
inline constexpr uint32_t kExitNotFound = 127;

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_EXIT_CODES_H_
