#ifndef MUSTER_ENV_FRAMEWORKS_EXPAND_H_
#define MUSTER_ENV_FRAMEWORKS_EXPAND_H_

#include <string>

#include "absl/strings/string_view.h"
#include "env/frameworks/variables.h"

namespace muster::env {

// `arg` with $NAME and ${NAME} replaced by their values in `variables`, by the
// rules of Python's os.path.expandvars on bytes:
// - NAME after a bare $ is the longest run of ASCII letters, digits and _;
//   between braces it is everything up to the first }, empty included;
// - an undefined name stays as it is written, as does a $ that starts neither
//   form; nothing escapes a $;
// - a value is not looked through again.
std::string ExpandVariables(absl::string_view arg, const Variables& variables);

}  // namespace muster::env

#endif  // MUSTER_ENV_FRAMEWORKS_EXPAND_H_
