// What the coordinator's node writes about a run as a whole: run.json,
// events.jsonl and report.json.
#ifndef MUSTER_LAUNCHER_RUN_RECORD_H_
#define MUSTER_LAUNCHER_RUN_RECORD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "launcher/record_sender.h"
#include "proto/fabric.pb.h"
#include "proto/job.pb.h"
#include "proto/report.pb.h"
#include "rendezvous/roster.h"

namespace muster::launcher {

// Job: words the three files.
// Life cycle: construct when the run is there; use; destroy.
// Threads: the loop's only.
// Ownership: the sender must outlive this.
class RunRecord {
 public:
  RunRecord(RecordSender& sender, const JobSpec& spec, std::string run_id);

  // Appends to events.jsonl: the coordinator's order is the file's order.
  void Event(const std::string& name, const std::string& text);
  // Writes run.json, now with nodes and ranks.
  void Sealed(const std::vector<rendezvous::Member>& members);
  // Writes fabric.json.
  void Fabric(const FabricReport& report);
  // Writes report.json, and run.json with the phases' times.
  void Verdict(const Report& report);

 private:
  void WriteRun();

  RecordSender& sender_;
  const JobSpec spec_;
  const std::string run_id_;
  const int64_t started_unix_ms_;
  std::vector<rendezvous::Member> members_;
  Report report_;
};

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_RUN_RECORD_H_
