#include "tests/support/fault_proxy/fault_proxy.h"

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <future>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/fault_proxy/proxy_connection.h"
#include "tests/support/fault_proxy/proxy_state.h"

namespace muster::test {

using Tcp = asio::ip::tcp;

class FaultProxy::Loop {
 public:
  explicit Loop(const Options& options)
      : server_(asio::ip::make_address(options.host), options.port),
        holder_(context_),
        acceptor_(context_) {
    const Tcp::endpoint any(asio::ip::make_address(options.listen_host), 0);
    holder_.open(any.protocol());
    holder_.set_option(Tcp::socket::reuse_address(true));
    holder_.bind(any);
    here_ = holder_.local_endpoint();
    Listen();
    thread_ = std::thread([this] { context_.run(); });
  }

  ~Loop() {
    context_.stop();
    thread_.join();
    connections_.clear();
  }

  uint16_t port() const { return here_.port(); }
  ProxyState& state() { return state_; }

  // Runs `change` on the loop's thread, and lets the connections go on under
  // what it has changed, before it returns.
  void Do(const std::function<void()>& change) {
    std::promise<void> done;
    asio::post(context_, [&] {
      change();
      for (const auto& connection : Connections()) connection->GoOn();
      done.set_value();
    });
    done.get_future().wait();
  }

  void Refuse(bool refuses) {
    if (refuses) {
      std::error_code ignored;
      acceptor_.close(ignored);
    } else if (!acceptor_.is_open()) {
      Listen();
    }
  }

  std::vector<std::shared_ptr<ProxyConnection>> Connections() {
    std::vector<std::shared_ptr<ProxyConnection>> open;
    std::vector<std::weak_ptr<ProxyConnection>> kept;
    for (const auto& weak : connections_) {
      std::shared_ptr<ProxyConnection> connection = weak.lock();
      if (connection == nullptr || connection->is_over()) continue;
      open.push_back(std::move(connection));
      kept.push_back(weak);
    }
    connections_ = std::move(kept);
    return open;
  }

 private:
  // A port that is bound and not listened on answers as one that nobody has,
  // and nobody else can take it.
  void Listen() {
    acceptor_.open(here_.protocol());
    acceptor_.set_option(Tcp::acceptor::reuse_address(true));
    acceptor_.bind(here_);
    acceptor_.listen();
    Accept();
  }

  void Accept() {
    acceptor_.async_accept(
        [this](const std::error_code& error, Tcp::socket client) {
          if (!error) {
            const auto connection = std::make_shared<ProxyConnection>(
                context_, std::move(client), &state_);
            connections_.push_back(connection);
            connection->Start(server_);
          }
          // Refused meanwhile, or even listening anew.
          if (error != asio::error::operation_aborted) Accept();
        });
  }

  const Tcp::endpoint server_;
  ProxyState state_;  // outlives what `context_` still holds
  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{
      context_.get_executor()};
  Tcp::socket holder_;
  Tcp::endpoint here_;
  Tcp::acceptor acceptor_;
  std::vector<std::weak_ptr<ProxyConnection>> connections_;
  std::thread thread_;
};

FaultProxy::FaultProxy(const Options& options)
    : loop_(std::make_unique<Loop>(options)) {}

FaultProxy::~FaultProxy() = default;

uint16_t FaultProxy::port() const { return loop_->port(); }

void FaultProxy::Set(const Faults& faults) {
  loop_->Do([&] { loop_->state().faults = faults; });
}

void FaultProxy::CutAfter(uint64_t bytes, Direction direction, Cut how) {
  loop_->Do([&] {
    loop_->state().cut = PlannedCut{bytes > 0 ? bytes : 1, direction, how};
  });
}

void FaultProxy::CutAll(Cut how) {
  loop_->Do([&] {
    for (const auto& connection : loop_->Connections()) connection->End(how);
  });
}

void FaultProxy::Refuse(bool refuses) {
  loop_->Do([&] { loop_->Refuse(refuses); });
}

ProxyCounts FaultProxy::counts() const {
  const ProxyState& state = loop_->state();
  absl::MutexLock lock(&state.mutex);
  return state.counts;
}

bool FaultProxy::WaitFor(
    const std::function<bool(const ProxyCounts&)>& predicate,
    absl::Duration deadline) const {
  const ProxyState& state = loop_->state();
  const auto is_true = [&] {
    state.mutex.AssertReaderHeld();
    return predicate(state.counts);
  };
  absl::MutexLock lock(&state.mutex);
  return state.mutex.AwaitWithTimeout(absl::Condition(&is_true), deadline);
}

}  // namespace muster::test
