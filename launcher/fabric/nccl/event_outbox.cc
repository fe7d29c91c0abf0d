#include "launcher/fabric/nccl/event_outbox.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "launcher/fabric/nccl/command_inbox.h"
#include "launcher/fabric/probe_messages.h"

namespace muster::fabric {

void EventOutbox::Send(const ProbeEvent& event) {
  const std::string bytes = EncodeProbeMessage(event);
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t size = write(fd_, bytes.data() + done, bytes.size() - done);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) _exit(kProbeEnded);
    done += static_cast<size_t>(size);
  }
}

void EventOutbox::Ready(const std::string& backend) {
  ProbeEvent event;
  event.mutable_ready()->set_backend(backend);
  Send(event);
}

void EventOutbox::Stage(uint32_t group, FabricStage stage) {
  ProbeEvent event;
  event.mutable_stage()->set_group(group);
  event.mutable_stage()->set_stage(stage);
  Send(event);
}

void EventOutbox::Put(uint32_t group, uint32_t rank, const std::string& key,
                      const std::string& value) {
  ProbeEvent event;
  StoreRequest* request = event.mutable_store();
  request->set_group(group);
  request->set_rank(rank);
  request->set_key(key);
  request->set_put(value);
  Send(event);
}

void EventOutbox::Get(uint32_t group, uint32_t rank, const std::string& key) {
  ProbeEvent event;
  StoreRequest* request = event.mutable_store();
  request->set_group(group);
  request->set_rank(rank);
  request->set_key(key);
  request->set_get(true);
  Send(event);
}

void EventOutbox::Broken(const FabricFailure& failure) {
  ProbeEvent event;
  *event.mutable_broken() = failure;
  Send(event);
  fprintf(stderr, "muster fabric-probe: %s\n", failure.message().c_str());
  _exit(kProbeBroken);
}

}  // namespace muster::fabric
