// The end of the self-test, as its two reports tell it.
#ifndef MUSTER_LAUNCHER_FABRIC_CONCLUSION_H_
#define MUSTER_LAUNCHER_FABRIC_CONCLUSION_H_

#include <cstdint>
#include <map>
#include <string>

#include "proto/fabric.pb.h"
#include "proto/report.pb.h"
#include "rendezvous/timing.h"

namespace muster::fabric {

// Pure. From the findings, with `seconds` filled in, to the verdicts of the
// test, of every node and of the job. Returns without whom the job starts, by
// node, and why; nobody where `report` says that it does not.
std::map<uint32_t, std::string> SetConclusion(uint32_t min_nodes,
                                              rendezvous::Moment now,
                                              FabricReport* fabric,
                                              Report* report);

// Pure. The job was ended by that signal on that node, before the test had come
// to a verdict.
void SetCancelled(const std::string& host, uint32_t node, uint32_t signal,
                  rendezvous::Moment now, const FabricReport& fabric,
                  Report* report);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_CONCLUSION_H_
