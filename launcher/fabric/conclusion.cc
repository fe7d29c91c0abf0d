#include "launcher/fabric/conclusion.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "launcher/fabric/fabric_verdict.h"
#include "rendezvous/causes.h"

namespace muster::fabric {

std::map<uint32_t, std::string> SetConclusion(uint32_t min_nodes,
                                              rendezvous::Moment now,
                                              FabricReport* fabric,
                                              Report* report) {
  // Who took part in no test has not passed any.
  for (const FabricTest& test : fabric->tests()) {
    for (const Slot& member : test.members()) {
      FabricNode& node =
          *fabric->mutable_nodes(static_cast<int>(member.node()));
      node.set_verdict(std::max(node.verdict(), FABRIC_VERDICT_PASS));
    }
  }
  fabric->set_verdict(WorstOf(*fabric));
  report->mutable_durations()->set_fabric(fabric->seconds());
  FabricDecision decision = DecideFabric(*fabric, min_nodes);
  for (const auto& [node, why] : decision.left_out) {
    FabricNode& told = *fabric->mutable_nodes(static_cast<int>(node));
    told.set_left_out(true);
    LeftOutNode& left_out = *report->add_left_out();
    left_out.set_host(told.host());
    left_out.set_address(told.address());
    left_out.set_why(why);
  }
  if (decision.exit_code == 0) {
    report->set_result(RESULT_SUCCEEDED);
    return std::move(decision.left_out);
  }
  Cause cause;
  cause.set_kind(CAUSE_FABRIC);
  cause.set_at_unix_ms(now.unix_ms);
  cause.set_message(decision.message);
  if (decision.node) {
    cause.set_node(*decision.node);
    cause.set_host(fabric->nodes(static_cast<int>(*decision.node)).host());
  }
  rendezvous::SetVerdict(std::move(cause), decision.exit_code, report);
  return {};
}

void SetCancelled(const std::string& host, uint32_t node, uint32_t signal,
                  rendezvous::Moment now, const FabricReport& fabric,
                  Report* report) {
  Cause cause;
  cause.set_kind(CAUSE_CANCELLED);
  cause.set_node(node);
  cause.set_host(host);
  cause.set_signal(signal);
  cause.set_at_unix_ms(now.unix_ms);
  cause.set_message(absl::StrCat("cancelled by signal ", signal, " on ", host,
                                 " during the self-test"));
  rendezvous::SetVerdict(std::move(cause), 128 + signal, report);
  report->mutable_durations()->set_fabric(fabric.seconds());
}

}  // namespace muster::fabric
