#include "env/schedulers/batch.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "env/schedulers/hosts.h"
#include "env/schedulers/number.h"

namespace muster::env {
namespace {

std::vector<std::string> Words(absl::string_view text) {
  return absl::StrSplit(text, absl::ByAnyChar(" \t\r\n"), absl::SkipEmpty());
}

// The first word of each line.
std::vector<std::string> FirstWords(absl::string_view text) {
  std::vector<std::string> words;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<std::string> all = Words(line);
    if (!all.empty()) words.push_back(all[0]);
  }
  return words;
}

// Completes `found` from hosts that are named once for each slot.
MaybeDiscovery FromSlots(const std::vector<std::string>& slots,
                         const Evidence& list, const Evidence& job,
                         const NodeIdentity& node, Discovery found) {
  const std::vector<std::string> hosts = EachOnce(slots);
  if (absl::Status status = CheckHosts(hosts); !status.ok()) {
    return WrongValue(list, status);
  }
  SetHosts(hosts, list, &found);
  found.job_id = {job.value, {job}};
  if (const auto port = PortOfJob(job.value)) {
    found.rendezvous_port = {*port, {job}};
  }
  if (hosts.size() == 1) {
    // Whatever this node calls itself, it must be that one.
    found.node_rank = {0, {list}};
    return found;
  }
  if (absl::Status status = SetOwnPlace(node, &found); !status.ok()) {
    return status;
  }
  return found;
}

// The same from the file whose path is the value of `file`.
MaybeDiscovery FromFile(const Inputs& inputs, const Evidence& file,
                        const Evidence& job, Discovery found) {
  const absl::StatusOr<std::string> text = inputs.files.Read(file.value);
  if (absl::IsNotFound(text.status())) {
    return absl::FailedPreconditionError(absl::StrCat(
        file.Text(), ": there is no such file on this node; ", found.title,
        " keeps it on the job's first host only: copy it to a directory that "
        "all nodes share and give the copy with --host-file"));
  }
  if (!text.ok()) return WrongValue(file, text.status());
  return FromSlots(FirstWords(*text), file, job, inputs.node, std::move(found));
}

}  // namespace

MaybeDiscovery DiscoverLsf(const Inputs& inputs) {
  const Reading reading(inputs);
  const Evidence job = reading.Get("LSB_JOBID");
  if (job.value.empty()) return std::nullopt;
  Discovery found{"lsf", "LSF"};
  if (reading.Has("JSM_NAMESPACE_RANK") && reading.Has("LSB_DJOB_RANKFILE")) {
    const Evidence local = reading.Get("JSM_NAMESPACE_LOCAL_RANK");
    if (!local.value.empty() && local.value != "0") {
      return absl::AlreadyExistsError(absl::StrCat(
          local.Text(),
          ": jsrun started several agents on this node, and only the first "
          "one may run; start one with `jsrun --rs_per_host 1 "
          "--tasks_per_rs 1`"));
    }
    const Evidence file = reading.Get("LSB_DJOB_RANKFILE");
    const absl::StatusOr<std::string> text = inputs.files.Read(file.value);
    if (!text.ok()) return WrongValue(file, text.status());
    std::vector<std::string> hosts = FirstWords(*text);
    if (!hosts.empty()) hosts.erase(hosts.begin());
    return FromSlots(hosts, file, job, inputs.node, std::move(found));
  }
  const Evidence file = reading.Get("LSB_DJOB_HOSTFILE");
  if (!file.value.empty()) {
    const absl::StatusOr<std::string> text = inputs.files.Read(file.value);
    if (text.ok()) {
      return FromSlots(FirstWords(*text), file, job, inputs.node,
                       std::move(found));
    }
  }
  const Evidence pairs = reading.Get("LSB_MCPU_HOSTS");
  if (!pairs.value.empty()) {
    std::vector<std::string> hosts;
    const std::vector<std::string> words = Words(pairs.value);
    uint32_t slots = 0;
    if (words.size() % 2 != 0) {
      return WrongValue(pairs,
                        "must be HOST SLOTS HOST SLOTS ...; was the list cut "
                        "short?");
    }
    for (size_t i = 0; i < words.size(); i += 2) {
      if (!ParseNumber(words[i + 1], &slots)) {
        return WrongValue(
            pairs, absl::StrCat("the slots of ", words[i], " are no number"));
      }
      hosts.push_back(words[i]);
    }
    return FromSlots(hosts, pairs, job, inputs.node, std::move(found));
  }
  const Evidence list = reading.Get("LSB_HOSTS");
  if (list.value.empty()) return std::nullopt;
  return FromSlots(Words(list.value), list, job, inputs.node, std::move(found));
}

MaybeDiscovery DiscoverPbs(const Inputs& inputs) {
  const Reading reading(inputs);
  if (reading.Has("PBS_ENVIRONMENT") && reading.Has("PBS_JOBID") &&
      reading.Has("PBS_NODEFILE")) {
    return FromFile(inputs, reading.Get("PBS_NODEFILE"),
                    reading.Get("PBS_JOBID"), {"pbs", "PBS"});
  }
  if (reading.Has("COBALT_JOBID") && reading.Has("COBALT_NODEFILE")) {
    return FromFile(inputs, reading.Get("COBALT_NODEFILE"),
                    reading.Get("COBALT_JOBID"), {"pbs", "Cobalt"});
  }
  return std::nullopt;
}

MaybeDiscovery DiscoverSge(const Inputs& inputs) {
  const Reading reading(inputs);
  if (!reading.Has("SGE_ROOT") || !reading.Has("JOB_ID") ||
      !reading.Has("PE_HOSTFILE")) {
    return std::nullopt;
  }
  return FromFile(inputs, reading.Get("PE_HOSTFILE"), reading.Get("JOB_ID"),
                  {"sge", "SGE"});
}

}  // namespace muster::env
