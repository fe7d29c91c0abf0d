// The flags on output.
#include <cstdint>

#include "absl/status/statusor.h"
#include "launcher/endpoint.h"
#include "launcher/flag_values.h"
#include "launcher/size.h"

namespace muster::launcher {
namespace {

// A spool is dropped in segments, of which it must hold a few.
constexpr uint64_t kSmallestSpool = uint64_t{1} << 20;

constexpr Choice<Console> kConsoles[] = {
    {"all", CONSOLE_ALL}, {"first", CONSOLE_FIRST}, {"none", CONSOLE_NONE}};

absl::Status ReadCollector(const std::string& value, JobSpec* spec) {
  if (value == "none") {
    spec->set_collect(false);
    return absl::OkStatus();
  }
  const absl::StatusOr<Endpoint> endpoint =
      ParseEndpoint(value, kDefaultCollectorPort);
  if (!endpoint.ok()) return endpoint.status();
  spec->set_collector_host(endpoint->host);
  spec->set_collector_port(endpoint->port);
  return absl::OkStatus();
}

Values WriteCollector(const JobSpec& spec) {
  if (!spec.collect()) return {"none"};
  if (spec.collector_host().empty()) return {};
  return {CollectorEndpoint(spec)};
}

absl::Status ReadSpoolSize(const std::string& value, JobSpec* spec) {
  const absl::StatusOr<uint64_t> bytes = ParseSize(value);
  if (!bytes.ok()) return bytes.status();
  if (*bytes < kSmallestSpool) return Must("at least 1MiB");
  spec->set_spool_bytes(*bytes);
  return absl::OkStatus();
}

}  // namespace

const Codec kLogDirCodec =
    TextCodec<&JobSpec::mutable_log_dir, &JobSpec::log_dir>();
const Codec kOutputDirCodec =
    TextCodec<&JobSpec::mutable_output_dir, &JobSpec::output_dir>();
const Codec kRunDirCodec =
    TextCodec<&JobSpec::mutable_run_dir, &JobSpec::run_dir>();
const Codec kReportFileCodec =
    TextCodec<&JobSpec::mutable_report_file, &JobSpec::report_file>();
const Codec kCollectorCodec = {ReadCollector, WriteCollector};

const Codec kCollectorInsecureCodec = {
    [](const std::string& value, JobSpec* spec) {
      bool on = false;
      const absl::Status status = ReadSwitch(value, &on);
      if (status.ok()) spec->set_collector_insecure(on);
      return status;
    },
    [](const JobSpec& spec) {
      return spec.collector_insecure() ? Values{"true"} : Values{};
    }};

const Codec kSpoolDirCodec =
    TextCodec<&JobSpec::mutable_spool_dir, &JobSpec::spool_dir>();
const Codec kSpoolSizeCodec = {ReadSpoolSize, [](const JobSpec& spec) {
                                 return Values{FormatSize(spec.spool_bytes())};
                               }};
const Codec kSpoolFullCodec = {
    [](const std::string& value, JobSpec* spec) {
      if (value != "drop" && value != "block") return Must("drop or block");
      spec->set_spool_blocks(value == "block");
      return absl::OkStatus();
    },
    [](const JobSpec& spec) {
      return Values{spec.spool_blocks() ? "block" : "drop"};
    }};
const Codec kCollectTimeoutCodec =
    DurationCodec<&JobSpec::set_collect_timeout_ms,
                  &JobSpec::collect_timeout_ms, Zero::kAllowed>();

const Codec kConsoleCodec = {
    [](const std::string& value, JobSpec* spec) {
      const Console console = FromWord(kConsoles, value);
      if (console == CONSOLE_UNSPECIFIED) return Must("all, first or none");
      spec->set_console(console);
      return absl::OkStatus();
    },
    [](const JobSpec& spec) { return ToWord(kConsoles, spec.console()); }};

}  // namespace muster::launcher
