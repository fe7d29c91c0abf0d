// What dead agents left on this node, by way of the next agent.
#ifndef MUSTER_LAUNCHER_NODE_LEFTOVERS_H_
#define MUSTER_LAUNCHER_NODE_LEFTOVERS_H_

#include <functional>
#include <memory>
#include <string>

#include "asio/io_context.hpp"
#include "grpcpp/channel.h"
#include "launcher/streams/leftovers.h"
#include "proto/job.pb.h"
#include "rendezvous/credentials.h"

namespace muster::launcher {

// Job: send the spools that lie in this job's --spool-dir and are nobody's:
// each to the collector it was for, or to this job's where that was in a
// coordinator that is gone. Says of each what became of it, in the log.
// Life cycle: works from construction on, until on_over or destruction, which
// leaves the rest for another time.
// Threads: the loop's only; on_over comes there, never inside a call.
// Ownership: the loop must outlive this.
class NodeLeftovers {
 public:
  // `channel` leads to this job's collector; `credentials` are for any.
  NodeLeftovers(asio::io_context& loop, const JobSpec& spec,
                std::shared_ptr<grpc::Channel> channel,
                const rendezvous::Credentials& credentials,
                std::function<void()> on_over);

  // The job is over: what moves is still sent.
  void Hurry();

 private:
  streams::Leftovers leftovers_;
};

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_NODE_LEFTOVERS_H_
