// What tests of pairs gave, and what is concluded from them.
#ifndef MUSTER_LAUNCHER_FABRIC_BLAME_H_
#define MUSTER_LAUNCHER_FABRIC_BLAME_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "launcher/fabric/pairing.h"

namespace muster::fabric {

enum class Outcome {
  kPass,
  kSlow,  // complete and right, below the limit
  kFail,  // hard: not complete, an error, or wrong data
};

// One test of one pair: by rail, as many as the unit with fewer has. A rail is
// one of the parallel ways between two units: the GPU with its NIC of one index
// on both nodes.
struct PairResult {
  Pair pair;
  std::vector<Outcome> rails;
};

// One outcome that a conclusion rests on.
struct Evidence {
  uint32_t round = 0;  // from 1
  Pair pair;
  uint32_t rail = 0;
  Outcome outcome = Outcome::kPass;
  bool operator==(const Evidence&) const = default;
};

enum class Severity {
  kSlow,  // works, below the limit
  kHard,
};

enum class Confidence {
  kAmbiguous,  // there is nobody to compare with
  kProbable,   // failed with the only good partner that there was, or, of a
               // transient failure, did not come again
  kConfirmed,  // failed with two or more good partners; of a link: twice,
               // between two units that work with others
};

struct Blame {
  enum class What {
    kUnit,
    kRail,       // of one unit
    kLink,       // between two units that work with others
    kTransient,  // a link that failed and then passed
    kPair,       // one of two, or what is between them: nobody can tell
    kFabric,     // nobody passed: nobody can be blamed
    kDivided,    // parts that are well within, and nothing between them
  };
  What what = What::kFabric;
  std::vector<uint32_t> units;   // ascending; none for kFabric
  std::optional<uint32_t> rail;  // unset: all of them
  Severity severity = Severity::kSlow;
  Confidence confidence = Confidence::kAmbiguous;
  std::vector<Evidence> edges;  // in the order of the rounds
  // Of kDivided: the parts, each ascending; `units` are those of all.
  std::vector<std::vector<uint32_t>> parts;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_BLAME_H_
