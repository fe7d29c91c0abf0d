#include "rendezvous/relay.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace muster::rendezvous {

Relay::Relay(const std::vector<Member>& members) {
  for (const Member& member : members) {
    rank_of_[member.session] = nodes_.size();
    nodes_.push_back({member.session, NodeName(member)});
  }
}

Outbox Relay::Frame(SessionId session, const RemoteFrame& frame) {
  const auto sender = rank_of_.find(session);
  if (sender == rank_of_.end()) return {};
  const Key key(frame.opener(), frame.executor(), frame.exchange());
  switch (frame.body_case()) {
    case RemoteFrame::kRequest:
      if (sender->second != frame.opener()) return {};
      if (frame.request().has_start()) {
        if (frame.executor() >= nodes_.size() ||
            !nodes_[frame.executor()].here) {
          return {Problem(key, "that node has left the job")};
        }
        open_.insert(key);
      }
      if (!open_.contains(key)) return {};
      return {ToExecutor(key, frame.request())};
    case RemoteFrame::kReply:
      if (sender->second != frame.executor() || !open_.contains(key)) return {};
      if (frame.reply().has_end()) open_.erase(key);
      return {ToOpener(key, frame.reply())};
    case RemoteFrame::BODY_NOT_SET:
      return {};
  }
  return {};
}

Outbox Relay::Left(SessionId session, const std::string& why) {
  const auto found = rank_of_.find(session);
  if (found == rank_of_.end()) return {};
  const uint32_t rank = found->second;
  nodes_[rank].here = false;
  Outbox out;
  for (auto it = open_.begin(); it != open_.end();) {
    const Key key = *it;
    const auto [opener, executor, exchange] = key;
    if (opener != rank && executor != rank) {
      ++it;
      continue;
    }
    if (opener != rank) {
      out.push_back(
          Problem(key, absl::StrCat(nodes_[rank].name, " was lost: ", why)));
    } else if (executor != rank) {
      RemoteRequest request;
      request.set_hang_up(true);
      out.push_back(ToExecutor(key, std::move(request)));
    }
    it = open_.erase(it);
  }
  return out;
}

Send Relay::ToExecutor(const Key& key, RemoteRequest request) const {
  Send send{nodes_[std::get<kExecutor>(key)].session, {}};
  *FrameOf(key, &send)->mutable_request() = std::move(request);
  return send;
}

Send Relay::ToOpener(const Key& key, RemoteReply reply) const {
  Send send{nodes_[std::get<kOpener>(key)].session, {}};
  *FrameOf(key, &send)->mutable_reply() = std::move(reply);
  return send;
}

RemoteFrame* Relay::FrameOf(const Key& key, Send* send) {
  RemoteFrame* frame = send->message.mutable_remote();
  frame->set_opener(std::get<kOpener>(key));
  frame->set_executor(std::get<kExecutor>(key));
  frame->set_exchange(std::get<kExchange>(key));
  return frame;
}

Send Relay::Problem(const Key& key, const std::string& text) const {
  RemoteReply reply;
  reply.mutable_end()->set_problem(text);
  return ToOpener(key, std::move(reply));
}

}  // namespace muster::rendezvous
