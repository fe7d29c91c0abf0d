// Environment variables, as both halves of env see them.
#ifndef MUSTER_ENV_VARIABLES_H_
#define MUSTER_ENV_VARIABLES_H_

#include <map>
#include <string>

namespace muster::env {

// Environment variables by name. Names and values are bytes without NUL, and
// need not be UTF-8.
using Variables = std::map<std::string, std::string>;

}  // namespace muster::env

#endif  // MUSTER_ENV_VARIABLES_H_
