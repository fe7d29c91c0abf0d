// The connections among the members of a group, as Gloo has them.
#ifndef MUSTER_LAUNCHER_FABRIC_GLOO_MESH_H_
#define MUSTER_LAUNCHER_FABRIC_GLOO_MESH_H_

#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "gloo/context.h"
#include "launcher/fabric/gloo/interruptible.h"

namespace muster::fabric {

// A device of Gloo on the interface that has `address`, numeric. Names are
// never resolved: one that means another address on the next node is what
// breaks Gloo most.
//
// Throws std::exception where `address` is none of this node's.
std::shared_ptr<gloo::transport::Device> DeviceOf(const std::string& address);

// Job: connects all members with all; then gloo::allreduce works on it. Gloo's
// own way to do this (rendezvous::Context) says neither who is missing nor who
// cannot be reached, waits five times its limit, and cannot be interrupted.
// Life cycle: Listen, Connect for every other rank, any number of collective
// operations. After a failure it is of no use. While it lives, its sockets are
// open. It waits without a limit: whoever has one calls Wake.
// Threads: one; Wake from any, AwaitBreak from another one.
class Mesh : public gloo::Context {
 public:
  Mesh(int my_rank, int members,
       std::shared_ptr<gloo::transport::Device> device);

  // Begins to listen, with a socket for each other member. Returns what these
  // must know.
  std::string Listen();
  // Connects with `peer`, whose Listen() said `address`.
  void Connect(int peer, const std::string& address);
  // Waits until a connection breaks, also one that no operation uses at the
  // moment, which Gloo would keep to itself. Returns Gloo's words. After the
  // last Connect().
  std::string AwaitBreak();
  // The ranks to which the connection is broken.
  std::vector<int> Broken();
  // Closes all connections; what waits throws, Interrupted or something of
  // Gloo's. After Listen().
  void Wake();

 private:
  // Both are the same connections.
  std::shared_ptr<gloo::transport::Context> gloos_;
  std::shared_ptr<InterruptibleContext> interruptible_;
};

// Gloo's words in `error`, without the place in its sources.
std::string GlooMessage(const std::exception& error);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_GLOO_MESH_H_
