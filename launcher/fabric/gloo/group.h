// The test of a group: its members reduce together.
#ifndef MUSTER_LAUNCHER_FABRIC_GLOO_GROUP_H_
#define MUSTER_LAUNCHER_FABRIC_GLOO_GROUP_H_

#include <memory>
#include <string>

#include "launcher/fabric/gloo/attempt.h"

namespace muster::fabric {

// Connects with the other members and reduces with them; answers the attempt,
// with a measurement or with what failed. `address` is this node's. The
// connections live until the attempt is closed: to let go of them looks to the
// others like a death.
void TestGroup(const std::shared_ptr<Attempt>& attempt,
               const std::string& address);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_GLOO_GROUP_H_
