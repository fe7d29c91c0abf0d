#include "tests/support/fault_proxy/proxy_connection.h"

#include <algorithm>
#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <utility>

#include "absl/time/time.h"

namespace muster::test {
namespace {

// What is on its way in one direction, as a network holds it. More than a
// delayed gigabit link would.
constexpr size_t kMaxHeldBytes = size_t{16} << 20;

}  // namespace

ProxyConnection::ProxyConnection(asio::io_context& context, Tcp::socket client,
                                 ProxyState* state)
    : client_(std::move(client)),
      server_(context),
      state_(state),
      up_(context, client_, server_, Direction::kUp),
      down_(context, server_, client_, Direction::kDown) {
  absl::MutexLock lock(&state_->mutex);
  ++state_->counts.connections;
  ++state_->counts.open;
}

ProxyConnection::~ProxyConnection() { End(Cut::kReset); }

void ProxyConnection::Start(const Tcp::endpoint& server) {
  server_.async_connect(
      server, [self = shared_from_this()](const std::error_code& error) {
        if (self->is_over_) return;
        if (error) {
          self->End(Cut::kReset);
          return;
        }
        // A slice is a segment only where nobody gathers.
        std::error_code ignored;
        self->client_.set_option(Tcp::no_delay(true), ignored);
        self->server_.set_option(Tcp::no_delay(true), ignored);
        self->is_connected_ = true;
        self->GoOn();
      });
}

void ProxyConnection::GoOn() {
  if (!is_connected_ || is_over_) return;
  for (Pump* pump : {&up_, &down_}) {
    Read(pump);
    Write(pump);
  }
}

void ProxyConnection::End(Cut how) {
  if (is_over_) return;
  is_over_ = true;
  std::error_code ignored;
  for (Tcp::socket* socket : {&client_, &server_}) {
    if (how == Cut::kReset) {
      socket->set_option(asio::socket_base::linger(true, 0), ignored);
    } else {
      socket->shutdown(Tcp::socket::shutdown_both, ignored);
    }
    socket->close(ignored);
  }
  up_.timer.cancel();
  down_.timer.cancel();
  absl::MutexLock lock(&state_->mutex);
  --state_->counts.open;
}

void ProxyConnection::Read(Pump* pump) {
  if (pump->is_reading || pump->has_ended || is_over_ ||
      pump->held_bytes >= kMaxHeldBytes || state_->IsStalled(pump->direction)) {
    return;
  }
  pump->is_reading = true;
  pump->from.async_read_some(asio::buffer(pump->buffer),
                             [self = shared_from_this(), pump](
                                 const std::error_code& error, size_t size) {
                               self->OnRead(pump, error, size);
                             });
}

void ProxyConnection::OnRead(Pump* pump, const std::error_code& error,
                             size_t size) {
  pump->is_reading = false;
  if (is_over_) return;
  if (error && error != asio::error::eof) {
    End(Cut::kReset);
    return;
  }
  pump->has_ended = static_cast<bool>(error);
  if (size > 0) {
    pump->held_bytes += size;
    pump->chunks.push_back(
        {Clock::now() + absl::ToChronoNanoseconds(state_->faults.delay),
         {pump->buffer.data(), pump->buffer.data() + size}});
  }
  Write(pump);
  Read(pump);
}

void ProxyConnection::Write(Pump* pump) {
  if (pump->is_writing || is_over_ || state_->IsStalled(pump->direction)) {
    return;
  }
  if (pump->chunks.empty()) {
    PassOnTheEnd(pump);
    return;
  }
  const Chunk& chunk = pump->chunks.front();
  if (chunk.due > Clock::now()) {
    WaitFor(pump, chunk.due);
    return;
  }
  size_t size = chunk.bytes.size() - chunk.sent;
  if (state_->faults.slice > 0) size = std::min(size, state_->faults.slice);
  if (state_->cut.has_value() && state_->cut->direction == pump->direction) {
    size = static_cast<size_t>(std::min<uint64_t>(size, state_->cut->bytes));
  }
  pump->is_writing = true;
  pump->to.async_write_some(asio::buffer(chunk.bytes.data() + chunk.sent, size),
                            [self = shared_from_this(), pump](
                                const std::error_code& error, size_t written) {
                              self->OnWritten(pump, error, written);
                            });
}

void ProxyConnection::OnWritten(Pump* pump, const std::error_code& error,
                                size_t size) {
  pump->is_writing = false;
  if (is_over_) return;
  if (error) {
    End(Cut::kReset);
    return;
  }
  {
    absl::MutexLock lock(&state_->mutex);
    (pump->direction == Direction::kUp ? state_->counts.up
                                       : state_->counts.down) += size;
  }
  Chunk& chunk = pump->chunks.front();
  chunk.sent += size;
  pump->held_bytes -= size;
  if (chunk.sent == chunk.bytes.size()) pump->chunks.pop_front();

  std::optional<PlannedCut>& cut = state_->cut;
  if (cut.has_value() && cut->direction == pump->direction) {
    // Another connection may have used up what this one was let write.
    cut->bytes -= std::min<uint64_t>(cut->bytes, size);
    if (cut->bytes == 0) {
      const Cut how = cut->how;
      cut.reset();
      End(how);
      return;
    }
  }
  Write(pump);
  Read(pump);
}

void ProxyConnection::WaitFor(Pump* pump, Clock::time_point due) {
  if (pump->is_waiting) return;
  pump->is_waiting = true;
  pump->timer.expires_at(due);
  pump->timer.async_wait(
      [self = shared_from_this(), pump](const std::error_code&) {
        pump->is_waiting = false;
        self->Write(pump);
      });
}

void ProxyConnection::PassOnTheEnd(Pump* pump) {
  if (!pump->has_ended || pump->is_closed) return;
  pump->is_closed = true;
  std::error_code ignored;
  pump->to.shutdown(Tcp::socket::shutdown_send, ignored);
  if (up_.is_closed && down_.is_closed) End(Cut::kClose);
}

}  // namespace muster::test
