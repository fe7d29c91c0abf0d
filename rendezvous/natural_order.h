// Host names as people order them: node2 before node10.
#ifndef MUSTER_RENDEZVOUS_NATURAL_ORDER_H_
#define MUSTER_RENDEZVOUS_NATURAL_ORDER_H_

#include <compare>
#include <string>

namespace muster::rendezvous {

// Compares runs of digits by value and everything else byte by byte. Names
// that differ only in leading zeros are ordered by their bytes, so that equal
// means identical and every node finds the same order.
std::strong_ordering NaturalCompare(const std::string& a, const std::string& b);

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_NATURAL_ORDER_H_
