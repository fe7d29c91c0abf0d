// How the members of a group find each other before NCCL connects them.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_MEETING_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_MEETING_H_

#include <nccl.h>

#include "launcher/fabric/nccl/command_inbox.h"
#include "launcher/fabric/nccl/event_outbox.h"
#include "launcher/fabric/nccl/failure.h"
#include "launcher/fabric/nccl/library.h"
#include "launcher/fabric/nccl/watch.h"

namespace muster::fabric {

// Each member puts "here/RANK" into the group's store. When all are there,
// rank 0 makes the unique id and puts it under "id"; so NCCL, which cannot say
// who is missing, is not entered before all have come. When one does not come
// by nine tenths of the time, rank 0 puts its rank there instead, and all name
// it. Failures:
//   FABRIC_FAILURE_MISSING  with the peer that never came
//   FABRIC_FAILURE_ERROR    NCCL makes no id
//   FABRIC_FAILURE_ABORTED  after a stop
Failed Meet(const ProbeTask& task, const NcclLibrary& nccl, CommandInbox& inbox,
            EventOutbox& outbox, const Watch& watch, ncclUniqueId* id);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_MEETING_H_
