// The ports of this node's tasks, held and answering until the tasks start.
#ifndef MUSTER_LAUNCHER_TASK_PORTS_H_
#define MUSTER_LAUNCHER_TASK_PORTS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "asio/io_context.hpp"
#include "asio/ip/tcp.hpp"
#include "proto/rendezvous.pb.h"

namespace muster::launcher {

// Job: holds one TCP port for each task, on all addresses as TensorFlow's own
// servers do, and lets whoever tries it connect, so that the other nodes can
// prove that they reach it. Who connects is dropped with a reset, which leaves
// no TIME_WAIT on the port.
// Life cycle: Listen, then Release once, or destroy to free the ports.
// Threads: the loop's only.
// Ownership: the loop must outlive this.
class TaskPorts {
 public:
  // Ports from `base_port` on, or free ones for 0.
  // Errors: those of HeldPort (env/hardware/ports.h), with the task's name;
  // InvalidArgument when the ports would go past 65535.
  static absl::StatusOr<std::unique_ptr<TaskPorts>> Listen(
      asio::io_context& loop,
      const google::protobuf::RepeatedPtrField<Task>& tasks,
      uint32_t base_port);

  TaskPorts() = default;
  ~TaskPorts();
  TaskPorts(const TaskPorts&) = delete;
  TaskPorts& operator=(const TaskPorts&) = delete;

  // In the order of the tasks.
  std::vector<uint16_t> ports() const;

  // Stops listening and gives up the sockets, still bound, in the order of the
  // tasks. The caller closes them.
  std::vector<int> Release();

 private:
  using Acceptor = asio::ip::tcp::acceptor;

  static void Accept(const std::shared_ptr<Acceptor>& acceptor);

  // Shared with what the loop still holds of them.
  std::vector<std::shared_ptr<Acceptor>> acceptors_;
};

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_TASK_PORTS_H_
