// One client of a proxy and its connection to the server.
#ifndef MUSTER_TESTS_SUPPORT_FAULT_PROXY_PROXY_CONNECTION_H_
#define MUSTER_TESTS_SUPPORT_FAULT_PROXY_PROXY_CONNECTION_H_

#include <array>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/fault_proxy/fault_proxy.h"
#include "tests/support/fault_proxy/proxy_state.h"

namespace muster::test {

// Lives as long as an operation of it is pending, so at most until it is cut
// or both ends have closed. The proxy's thread only.
class ProxyConnection : public std::enable_shared_from_this<ProxyConnection> {
 public:
  using Tcp = asio::ip::tcp;

  // `state` must outlive the connection.
  ProxyConnection(asio::io_context& context, Tcp::socket client,
                  ProxyState* state);
  ~ProxyConnection();

  void Start(const Tcp::endpoint& server);
  void GoOn();  // after a change of the faults
  void End(Cut how);
  bool is_over() const { return is_over_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Chunk {
    Clock::time_point due;
    std::vector<char> bytes;
    size_t sent = 0;
  };
  // One direction. Reads while there is room, passes on what is due.
  struct Pump {
    Pump(asio::io_context& context, Tcp::socket& source, Tcp::socket& target,
         Direction way)
        : from(source), to(target), direction(way), timer(context) {}
    Tcp::socket& from;
    Tcp::socket& to;
    const Direction direction;
    asio::steady_timer timer;
    std::array<char, 65536> buffer;
    std::deque<Chunk> chunks;
    size_t held_bytes = 0;
    bool is_reading = false;
    bool is_writing = false;
    bool is_waiting = false;  // for a chunk to become due
    bool has_ended = false;   // nothing more to be read
    bool is_closed = false;   // and that was passed on
  };

  void Read(Pump* pump);
  void OnRead(Pump* pump, const std::error_code& error, size_t size);
  void Write(Pump* pump);
  void OnWritten(Pump* pump, const std::error_code& error, size_t size);
  void WaitFor(Pump* pump, Clock::time_point due);
  void PassOnTheEnd(Pump* pump);

  Tcp::socket client_;
  Tcp::socket server_;
  ProxyState* const state_;
  Pump up_;
  Pump down_;
  bool is_connected_ = false;
  bool is_over_ = false;
};

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_FAULT_PROXY_PROXY_CONNECTION_H_
