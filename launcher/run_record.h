// What the coordinator's node writes about a run as a whole: run.json,
// events.jsonl and report.json.
#ifndef MUSTER_LAUNCHER_RUN_RECORD_H_
#define MUSTER_LAUNCHER_RUN_RECORD_H_

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "launcher/collector/run_directory.h"
#include "proto/job.pb.h"
#include "proto/report.pb.h"
#include "rendezvous/roster.h"

namespace muster::launcher {

// Job: keeps the three files. A file that can't be written is a warning in
// the log, never the end of the job.
// Life cycle: construct when the run directory is there; use; destroy.
// Threads: the loop's only.
// Ownership: shares the directory.
class RunRecord {
 public:
  RunRecord(std::shared_ptr<collector::RunDirectory> directory,
            const JobSpec& spec);

  // Appends to events.jsonl: the coordinator's order is the file's order.
  void Event(const std::string& name, const std::string& text);
  // Writes run.json, now with nodes and ranks.
  void Sealed(const std::vector<rendezvous::Member>& members);
  // Writes report.json, and run.json with the phases' times.
  void Verdict(const Report& report);

  const std::string& path() const { return directory_->path(); }

 private:
  void WriteRun();

  const std::shared_ptr<collector::RunDirectory> directory_;
  const JobSpec spec_;
  const int64_t started_unix_ms_;
  std::vector<rendezvous::Member> members_;
  Report report_;
  std::ofstream events_;
};

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_RUN_RECORD_H_
