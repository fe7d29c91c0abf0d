// `muster collect`: from its command to its exit code.
#ifndef MUSTER_LAUNCHER_COLLECT_COMMAND_H_
#define MUSTER_LAUNCHER_COLLECT_COMMAND_H_

#include "launcher/collect_command_line.h"
#include "rendezvous/credentials.h"

namespace muster::launcher {

// Collects until a signal (SIGINT, SIGTERM, SIGHUP) or until the disk fails.
// Says on standard output where it listens and which runs begin and end, and
// on standard error what goes wrong. Returns the exit code. To be called once,
// by main, after rendezvous::PrepareProcess().
int RunCollect(const CollectCommand& command,
               const rendezvous::Credentials& credentials);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_COLLECT_COMMAND_H_
