// The service that every agent of a job joins.
#ifndef MUSTER_RENDEZVOUS_COORDINATOR_H_
#define MUSTER_RENDEZVOUS_COORDINATOR_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "asio/io_context.hpp"
#include "asio/steady_timer.hpp"
#include "proto/rendezvous.grpc.pb.h"
#include "rendezvous/gang.h"
#include "rendezvous/liveness.h"
#include "rendezvous/preparation.h"
#include "rendezvous/relay.h"
#include "rendezvous/roster.h"
#include "rendezvous/self_test.h"

namespace muster::rendezvous {

class CoordinatorStream;

struct CoordinatorOptions {
  RosterOptions roster;
  Duration node_timeout{};
  // None: the nodes are not tested.
  MakeSelfTest make_self_test;
  bool only_test = false;  // there is no job after the test
};

// All are called on the loop.
struct CoordinatorCallbacks {
  // All nodes are there; in rank order. Comes again when the self-test has left
  // some out, and when their tasks have ports.
  std::function<void(const std::vector<Member>&)> on_sealed;
  // The self-test has passed or failed; its verdict is known.
  std::function<void()> on_tested;
  // Something to tell people and to write down: a short name and a sentence.
  std::function<void(const std::string& name, const std::string& text)>
      on_event;
  // The verdict, before it is sent: what the callback adds goes to everybody.
  std::function<void(Report*)> on_verdict;
  // The verdict is out and every agent but our own has hung up, or kFarewell
  // has passed. Nothing is called after this.
  std::function<void()> on_idle;
};

// Job: the shell around Roster, SelfTest, Preparation and Gang. It turns
// streams and time into their events, and sends what they decide. Life cycle:
// construct, register with a server, serve until on_idle; the server must be
// shut down before this is destroyed. Threads: gRPC's threads only post to the
// loop, where everything else happens. The public methods are called on the
// loop, Rejected() from anywhere. Ownership: the loop must outlive this.
class Coordinator final : public Rendezvous::CallbackService {
 public:
  Coordinator(asio::io_context& loop, CoordinatorOptions options,
              CoordinatorCallbacks callbacks);
  ~Coordinator() override;

  grpc::ServerBidiReactor<AgentMessage, CoordinatorMessage>* Join(
      grpc::CallbackServerContext* context) override;

  // A peer was turned away in the TLS handshake. Safe from any thread.
  void Rejected(const std::string& reason);

  // Our own agent was told to end before it had a part in the job.
  void CancelJoin(uint32_t signal);

  // One line on who is there and who is missing.
  std::string Progress() const { return roster_.Progress(); }

 private:
  void Opened(const std::shared_ptr<CoordinatorStream>& stream);
  void Received(SessionId session, const AgentMessage& message);
  void Closed(SessionId session);
  std::string NameOf(SessionId session) const;
  void Leave(SessionId session, const std::string& why);
  // Of a message that is neither a hello nor bulk, by what is going on.
  Outbox Handle(SessionId session, const AgentMessage& message);
  Outbox HandlePreparation(SessionId session, const AgentMessage& message);
  Outbox HandleGang(SessionId session, const AgentMessage& message);
  void Apply(Outbox outbox);
  // Moves on when one of them has reached a decision.
  void AfterEvent();
  void AfterSeal();
  void AfterTest();
  void GiveOutPlaces(const std::map<SessionId, std::string>& left_out);
  void StartGang(const std::vector<Member>& members, double fabric_seconds);
  void Conclude(const Report& report);
  void Tick();
  void Idle();

  asio::io_context& loop_;
  const CoordinatorOptions options_;
  const CoordinatorCallbacks callbacks_;
  // Lets what gRPC's threads have posted find out that this is gone.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  // Loop only.
  SessionId last_session_ = 0;
  std::map<SessionId, std::shared_ptr<CoordinatorStream>> streams_;
  Roster roster_;
  std::unique_ptr<SelfTest> self_test_;  // while it runs
  bool tested_ = false;
  double test_seconds_ = 0;
  google::protobuf::RepeatedPtrField<LeftOutNode> left_out_;
  std::optional<Preparation> preparation_;  // of a job that needs one
  std::optional<Gang> gang_;
  std::optional<Relay> relay_;
  Liveness liveness_;
  bool concluded_ = false;
  bool idle_ = false;
  Instant concluded_at_;
  CoordinatorMessage verdict_;  // once concluded
  asio::steady_timer ticker_;
};

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_COORDINATOR_H_
