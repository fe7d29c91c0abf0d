#include "rendezvous/rank_order.h"

#include <algorithm>
#include <numeric>

#include "rendezvous/natural_order.h"

namespace muster::rendezvous {
namespace {

bool Before(const NodeFacts& a, const NodeFacts& b) {
  auto order = NaturalCompare(a.host_name(), b.host_name());
  if (order == 0) order = NaturalCompare(a.address(), b.address());
  if (order == 0) order = a.incarnation() <=> b.incarnation();
  return order < 0;
}

}  // namespace

std::vector<size_t> OrderNodes(const std::vector<NodeFacts>& nodes) {
  std::vector<size_t> indexed;
  std::vector<size_t> named;
  for (size_t i = 0; i < nodes.size(); ++i) {
    (nodes[i].has_node_rank() ? indexed : named).push_back(i);
  }
  std::sort(indexed.begin(), indexed.end(), [&](size_t a, size_t b) {
    return nodes[a].node_rank() < nodes[b].node_rank();
  });
  std::sort(named.begin(), named.end(),
            [&](size_t a, size_t b) { return Before(nodes[a], nodes[b]); });

  std::vector<size_t> order;
  auto next_indexed = indexed.begin();
  auto next_named = named.begin();
  while (order.size() < nodes.size()) {
    const bool mine = next_indexed != indexed.end() &&
                      (nodes[*next_indexed].node_rank() <= order.size() ||
                       next_named == named.end());
    order.push_back(mine ? *next_indexed++ : *next_named++);
  }
  return order;
}

}  // namespace muster::rendezvous
