// The flags of the self-test.
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "launcher/flag_values.h"
#include "launcher/size.h"

namespace muster::launcher {
namespace {

constexpr Choice<FabricKind> kKinds[] = {{"auto", FABRIC_AUTO},
                                         {"nccl", FABRIC_NCCL},
                                         {"gloo", FABRIC_GLOO},
                                         {"off", FABRIC_OFF}};

// What is reduced is float32, and the largest message is what a probe can hold.
constexpr uint64_t kSmallestMessage = 1024;
constexpr uint64_t kLargestMessage = uint64_t{16} << 30;
constexpr uint32_t kMostRounds = 10'000;

FabricSettings* Fabric(JobSpec* spec) {
  return spec->mutable_agreement()->mutable_fabric();
}

const FabricSettings& Fabric(const JobSpec& spec) {
  return spec.agreement().fabric();
}

template <void (FabricSettings::*set_field)(bool),
          bool (FabricSettings::*field)() const>
constexpr Codec SwitchCodec() {
  return {[](const std::string& value, JobSpec* spec) {
            bool on = false;
            const absl::Status status = ReadSwitch(value, &on);
            if (status.ok()) (Fabric(spec)->*set_field)(on);
            return status;
          },
          [](const JobSpec& spec) {
            return (Fabric(spec).*field)() ? Values{"true"} : Values{};
          }};
}

template <void (FabricSettings::*set_field)(double),
          double (FabricSettings::*field)() const>
constexpr Codec SpeedCodec() {
  return {
      [](const std::string& value, JobSpec* spec) {
        double speed = 0;
        if (!absl::SimpleAtod(value, &speed) || !(speed > 0) || speed > 1e6) {
          return Must("a number of GB/s above 0, such as 40 or 0.5");
        }
        (Fabric(spec)->*set_field)(speed);
        return absl::OkStatus();
      },
      [](const JobSpec& spec) {
        const double speed = (Fabric(spec).*field)();
        return speed > 0 ? Values{absl::StrCat(speed)} : Values{};
      }};
}

}  // namespace

const Codec kFabricCheckCodec = {
    [](const std::string& value, JobSpec* spec) {
      const FabricKind kind = FromWord(kKinds, value);
      if (kind == FABRIC_UNSPECIFIED) return Must("auto, nccl, gloo or off");
      Fabric(spec)->set_kind(kind);
      return absl::OkStatus();
    },
    [](const JobSpec& spec) { return ToWord(kKinds, Fabric(spec).kind()); }};

const Codec kFabricSizeCodec = {
    [](const std::string& value, JobSpec* spec) {
      const absl::StatusOr<uint64_t> bytes = ParseSize(value);
      if (!bytes.ok()) return bytes.status();
      if (*bytes < kSmallestMessage || *bytes > kLargestMessage) {
        return Must("from 1KiB to 16GiB");
      }
      Fabric(spec)->set_bytes(*bytes);
      return absl::OkStatus();
    },
    [](const JobSpec& spec) {
      return Fabric(spec).bytes() > 0 ? Values{FormatSize(Fabric(spec).bytes())}
                                      : Values{};
    }};

const Codec kFabricRoundsCodec = {
    [](const std::string& value, JobSpec* spec) {
      uint32_t rounds = 0;
      if (!ParseCount(value, &rounds) || rounds < 1 || rounds > kMostRounds) {
        return Must("a number from 1 to 10000");
      }
      Fabric(spec)->set_rounds(rounds);
      return absl::OkStatus();
    },
    [](const JobSpec& spec) {
      return Fabric(spec).rounds() > 0
                 ? Values{absl::StrCat(Fabric(spec).rounds())}
                 : Values{};
    }};

const Codec kFabricTimeoutCodec = {
    [](const std::string& value, JobSpec* spec) {
      const absl::StatusOr<absl::Duration> read =
          ParseDuration(value, Zero::kRefused);
      if (read.ok())
        Fabric(spec)->set_timeout_ms(absl::ToInt64Milliseconds(*read));
      return read.status();
    },
    [](const JobSpec& spec) {
      const int64_t timeout = Fabric(spec).timeout_ms();
      return timeout > 0
                 ? Values{absl::FormatDuration(absl::Milliseconds(timeout))}
                 : Values{};
    }};

const Codec kExhaustiveCodec =
    SwitchCodec<&FabricSettings::set_exhaustive, &FabricSettings::exhaustive>();
const Codec kStrictCodec =
    SwitchCodec<&FabricSettings::set_strict, &FabricSettings::strict>();
const Codec kLimitLocalCodec = SpeedCodec<&FabricSettings::set_limit_local,
                                          &FabricSettings::limit_local>();
const Codec kLimitNetworkCodec = SpeedCodec<&FabricSettings::set_limit_network,
                                            &FabricSettings::limit_network>();
const Codec kNcclLibraryCodec =
    TextCodec<&JobSpec::mutable_nccl_library, &JobSpec::nccl_library>();

}  // namespace muster::launcher
