// By which the members of a group find each other.
#ifndef MUSTER_LAUNCHER_FABRIC_STORE_H_
#define MUSTER_LAUNCHER_FABRIC_STORE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "proto/fabric.pb.h"

namespace muster::fabric {

// Pure: the values of one group, and who waits for which. The first value of a
// key stays; who asks for one twice before it is there gets it once. Bounds:
// kMostKeys keys of at most kLongestKey bytes, values of at most kLargestValue;
// what is beyond is dropped, and who waits for it runs into its own deadline.
class ValueStore {
 public:
  static constexpr size_t kMostKeys = 4096;
  static constexpr size_t kLongestKey = 1024;
  static constexpr size_t kLargestValue = 64 * 1024;

  // The answers that are due.
  std::vector<StoreValue> Handle(const StoreRequest& request);

 private:
  std::map<std::string, std::string> values_;
  std::map<std::string, std::set<uint32_t>> waiting_;  // ranks
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_STORE_H_
