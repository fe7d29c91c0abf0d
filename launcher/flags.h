// The one table of muster's flags. Parsing, help, MUSTER_* variables and the
// way back from a JobSpec to arguments all follow from it.
#ifndef MUSTER_LAUNCHER_FLAGS_H_
#define MUSTER_LAUNCHER_FLAGS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "launcher/flag_codec.h"

namespace muster::launcher {

// The commands that take flags.
enum class Command { kRun, kSim, kEnv, kCheck };

// "run", "sim", "env" or "check".
absl::string_view CommandName(Command command);

// The sections of the help. Hidden flags are neither shown nor suggested, and
// have no variable.
enum class Group {
  kJob,
  kMeeting,
  kSelfTest,
  kWorkers,
  kOutput,
  kSecurity,
  kHidden
};

// The commands that a flag is for. `env` takes all of them, so that any command
// line of the others can be looked at; `check` those of `run` that do not speak
// of workers.
enum class Scope { kBoth, kRunOnly, kSimOnly };

struct Flag {
  absl::string_view name;          // without the dashes in front
  absl::string_view value;         // what stands for the value; "" for a switch
  absl::string_view fallback;      // read when not given; "" for nothing
  absl::string_view default_text;  // shown when there is no fallback
  absl::string_view help;          // what it means, one or two sentences
  Group group = Group::kJob;
  Scope scope = Scope::kBoth;
  bool repeatable = false;
  bool takes_flags = false;  // its value may begin with dashes
  bool for_check = false;    // in groups of which not all are
  const Codec* codec = nullptr;

  bool IsSwitch() const { return value.empty(); }
  bool BelongsTo(Command command) const;
};

absl::Span<const Flag> Flags();

// The flag of this name, with dashes and without the two in front, or null.
const Flag* FindFlag(absl::string_view name);

// "MUSTER_NPROC_PER_NODE" for --nproc-per-node; "" for hidden flags.
std::string VariableName(const Flag& flag);

// The candidate that `name` is most likely a misspelling of, or "".
std::string Nearest(absl::string_view name,
                    const std::vector<std::string>& candidates);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_FLAGS_H_
