#include "launcher/flag_values.h"

#include <algorithm>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "env/schedulers/discover.h"
#include "launcher/endpoint.h"

namespace muster::launcher {
namespace {

constexpr uint32_t kMaxNodes = 65536;

// The id of a job and of a run; the latter names a directory.
absl::Status CheckId(const std::string& id) {
  const auto allowed = [](char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
  };
  if (id.empty() || id.size() > 64 || id == "." || id == ".." ||
      !std::all_of(id.begin(), id.end(), allowed)) {
    return Must(
        "1 to 64 characters of A-Z, a-z, 0-9, '.', '_' and '-', and not "
        "'.' or '..'");
  }
  return absl::OkStatus();
}

// ---- readers that are too long for the table below ----

absl::Status ReadNodes(const std::string& value, JobSpec* spec) {
  const size_t colon = value.find(':');
  const std::string low = value.substr(0, colon);
  const std::string high =
      colon == std::string::npos ? low : value.substr(colon + 1);
  uint32_t min = 0;
  uint32_t max = 0;
  if (!ParseCount(low, &min) || !ParseCount(high, &max) || min < 1 ||
      min > max || max > kMaxNodes) {
    return Must("N or MIN:MAX, with 1 <= MIN <= MAX <= 65536");
  }
  spec->mutable_agreement()->set_min_nodes(min);
  spec->mutable_agreement()->set_max_nodes(max);
  return absl::OkStatus();
}

absl::Status ReadScheduler(const std::string& value, JobSpec* spec) {
  const std::vector<std::string> names = env::SchedulerNames();
  if (value != "auto" && value != "none" &&
      std::find(names.begin(), names.end(), value) == names.end()) {
    return Must(
        absl::StrCat("auto, none or one of ", absl::StrJoin(names, ", ")));
  }
  spec->set_scheduler(value);
  return absl::OkStatus();
}

absl::Status ReadInsecure(const std::string& value, JobSpec* spec) {
  bool on = false;
  const absl::Status status = ReadSwitch(value, &on);
  if (status.ok()) spec->set_insecure(on);
  return status;
}

}  // namespace

const Codec kNodesCodec = {
    ReadNodes, [](const JobSpec& spec) {
      return Values{absl::StrCat(spec.agreement().min_nodes(), ":",
                                 spec.agreement().max_nodes())};
    }};

const Codec kJobIdCodec = {
    [](const std::string& value, JobSpec* spec) {
      const absl::Status status = CheckId(value);
      if (status.ok()) spec->mutable_agreement()->set_job_id(value);
      return status;
    },
    [](const JobSpec& spec) { return Given(spec.agreement().job_id()); }};

const Codec kEndpointCodec = {
    [](const std::string& value, JobSpec* spec) {
      const absl::StatusOr<Endpoint> endpoint =
          ParseEndpoint(value, kDefaultPort);
      if (endpoint.ok()) {
        spec->set_endpoint_host(endpoint->host);
        spec->set_endpoint_port(endpoint->port);
      }
      return endpoint.status();
    },
    [](const JobSpec& spec) -> Values {
      if (spec.endpoint_host().empty()) return {};
      return {FormatEndpoint({spec.endpoint_host(), spec.endpoint_port()})};
    }};

const Codec kHostFileCodec =
    TextCodec<&JobSpec::mutable_host_file, &JobSpec::host_file>();

const Codec kHostDnsCodec = {
    [](const std::string& value, JobSpec* spec) {
      const absl::StatusOr<Endpoint> endpoint =
          ParseEndpoint(value, kDefaultPort);
      if (!endpoint.ok()) return endpoint.status();
      if (IsNumericAddress(endpoint->host)) {
        return Must("a name that resolves to the addresses of all nodes");
      }
      spec->set_host_dns(endpoint->host);
      spec->set_endpoint_port(endpoint->port);
      return absl::OkStatus();
    },
    [](const JobSpec& spec) -> Values {
      if (spec.host_dns().empty()) return {};
      return {FormatEndpoint({spec.host_dns(), spec.endpoint_port()})};
    }};

const Codec kSchedulerCodec = {
    ReadScheduler, [](const JobSpec& spec) { return Given(spec.scheduler()); }};

const Codec kEnvLevelCodec = {
    [](const std::string& value, JobSpec* spec) {
      if (value != "node" && value != "process") {
        return Must("node or process");
      }
      spec->set_env_level(value);
      return absl::OkStatus();
    },
    [](const JobSpec& spec) { return Given(spec.env_level()); }};

const Codec kNodeRankCodec = {
    [](const std::string& value, JobSpec* spec) {
      uint32_t rank = 0;
      if (!ParseCount(value, &rank) || rank >= kMaxNodes) {
        return Must("a number from 0, less than the job's nodes");
      }
      spec->set_node_rank(rank);
      return absl::OkStatus();
    },
    [](const JobSpec& spec) -> Values {
      if (!spec.has_node_rank()) return {};
      return {absl::StrCat(spec.node_rank())};
    }};

const Codec kAdvertiseCodec = {
    [](const std::string& value, JobSpec* spec) {
      if (!IsNumericAddress(value) || value == "0.0.0.0" || value == "::") {
        return Must("a numeric address that the other nodes can reach");
      }
      spec->set_advertise(value);
      return absl::OkStatus();
    },
    [](const JobSpec& spec) { return Given(spec.advertise()); }};

const Codec kHostNameCodec = {
    [](const std::string& value, JobSpec* spec) {
      if (value.size() > 253 ||
          !std::all_of(value.begin(), value.end(), absl::ascii_isgraph)) {
        return Must("1 to 253 printable ASCII characters without spaces");
      }
      spec->set_host_name(value);
      return absl::OkStatus();
    },
    [](const JobSpec& spec) { return Given(spec.host_name()); }};

const Codec kJoinTimeoutCodec =
    DurationCodec<&JobSpec::set_join_timeout_ms, &JobSpec::join_timeout_ms,
                  Zero::kRefused>();
const Codec kHeartbeatCodec =
    DurationCodec<&JobSpec::set_heartbeat_ms, &JobSpec::heartbeat_ms,
                  Zero::kRefused>();
const Codec kNodeTimeoutCodec =
    DurationCodec<&JobSpec::set_node_timeout_ms, &JobSpec::node_timeout_ms,
                  Zero::kRefused>();
const Codec kStopGraceCodec =
    DurationCodec<&JobSpec::set_stop_grace_ms, &JobSpec::stop_grace_ms,
                  Zero::kAllowed>();

const Codec kSharedDirCodec =
    TextCodec<&JobSpec::mutable_shared_dir, &JobSpec::shared_dir>();
const Codec kTokenFileCodec =
    TextCodec<&JobSpec::mutable_token_file, &JobSpec::token_file>();
const Codec kTlsCertCodec =
    TextCodec<&JobSpec::mutable_tls_cert_file, &JobSpec::tls_cert_file>();
const Codec kTlsKeyCodec =
    TextCodec<&JobSpec::mutable_tls_key_file, &JobSpec::tls_key_file>();
const Codec kTlsCaCodec =
    TextCodec<&JobSpec::mutable_tls_ca_file, &JobSpec::tls_ca_file>();

const Codec kRunIdCodec = {
    [](const std::string& value, JobSpec* spec) {
      const absl::Status status = CheckId(value);
      if (status.ok()) spec->set_run_id(value);
      return status;
    },
    [](const JobSpec& spec) { return Given(spec.run_id()); }};

const Codec kInsecureCodec = {
    ReadInsecure, [](const JobSpec& spec) {
      return Values{spec.insecure() ? "true" : "false"};
    }};

}  // namespace muster::launcher
