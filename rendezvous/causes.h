// What the parts of a verdict are made of. Pure functions.
#ifndef MUSTER_RENDEZVOUS_CAUSES_H_
#define MUSTER_RENDEZVOUS_CAUSES_H_

#include <cstdint>
#include <string>

#include "proto/report.pb.h"
#include "rendezvous/roster.h"
#include "rendezvous/timing.h"

namespace muster::rendezvous {

// What happened on the node of `member`, in the words of `message`.
Cause CauseOn(const Member& member, CauseKind kind, const std::string& message,
              Moment now);

// Makes `cause` the first one and the exit code that of the job.
void SetVerdict(Cause cause, uint32_t exit_code, Report* report);

// The last 20 lines of `bytes`; a final line end does not make an empty line.
void SetTail(const std::string& bytes, Cause* cause);

// What a death by a signal that nobody here sent may mean.
std::string SignalHint(uint32_t signal);

// Merges `cause` into the list of what happened after the first one.
void AddOther(const Cause& cause, Report* report);

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_CAUSES_H_
