// The flags whose values are NAME=VALUE: --env, --input, --output.
#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "launcher/flag_values.h"

namespace muster::launcher {
namespace {

absl::Status ReadWorkerEnv(const std::string& value, JobSpec* spec) {
  const size_t equals = value.find('=');
  if (equals == std::string::npos || equals == 0) {
    return Must("NAME=VALUE, with a name");
  }
  const std::string name = value.substr(0, equals);
  if (name == "MUSTER_TOKEN") {
    return absl::InvalidArgumentError(
        "the job token is not for the workers; leave it out");
  }
  Variable* variable = spec->add_worker_env();
  variable->set_name(name);
  variable->set_value(value.substr(equals + 1));
  return absl::OkStatus();
}

using MutableVariables =
    google::protobuf::RepeatedPtrField<Variable>* (JobSpec::*)();

absl::Status ReadAlias(const std::string& value, JobSpec* spec,
                       MutableVariables aliases) {
  const size_t equals = value.find('=');
  const std::string name = value.substr(0, equals);
  const auto allowed = [](char c) {
    return absl::ascii_isalnum(c) || c == '_';
  };
  if (equals == std::string::npos || equals + 1 == value.size() ||
      name.empty() || !std::all_of(name.begin(), name.end(), allowed)) {
    return Must("NAME=DIR, with a name of A-Z, a-z, 0-9 and '_'");
  }
  for (const Variable& other : *(spec->*aliases)()) {
    if (other.name() == name) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, " is given already, as ", other.value(),
                       "; give each name once"));
    }
  }
  Variable* alias = (spec->*aliases)()->Add();
  alias->set_name(name);
  alias->set_value(value.substr(equals + 1));
  return absl::OkStatus();
}

Values WriteVariables(
    const google::protobuf::RepeatedPtrField<Variable>& variables) {
  Values values;
  for (const Variable& variable : variables) {
    values.push_back(absl::StrCat(variable.name(), "=", variable.value()));
  }
  return values;
}

}  // namespace

const Codec kWorkerEnvCodec = {ReadWorkerEnv, [](const JobSpec& spec) {
                                 return WriteVariables(spec.worker_env());
                               }};

const Codec kInputCodec = {
    [](const std::string& value, JobSpec* spec) {
      return ReadAlias(value, spec, &JobSpec::mutable_inputs);
    },
    [](const JobSpec& spec) { return WriteVariables(spec.inputs()); }};
const Codec kOutputCodec = {
    [](const std::string& value, JobSpec* spec) {
      return ReadAlias(value, spec, &JobSpec::mutable_outputs);
    },
    [](const JobSpec& spec) { return WriteVariables(spec.outputs()); }};

}  // namespace muster::launcher
