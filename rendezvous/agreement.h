// What must be the same on every node, compared.
#ifndef MUSTER_RENDEZVOUS_AGREEMENT_H_
#define MUSTER_RENDEZVOUS_AGREEMENT_H_

#include <string>
#include <vector>

#include "proto/job.pb.h"

namespace muster::rendezvous {

// As --framework takes it: "pytorch".
std::string FrameworkName(const Agreement& agreement);

// One sentence per setting that differs, such as "--nnodes is 3 on node7 and 2
// on node0"; empty when they agree.
std::vector<std::string> Differences(const Agreement& theirs,
                                     const std::string& their_host,
                                     const Agreement& ours,
                                     const std::string& our_host);

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_AGREEMENT_H_
