// Where a Python looks for its packages.
#ifndef MUSTER_LAUNCHER_FABRIC_CHOICE_PYTHON_PATHS_H_
#define MUSTER_LAUNCHER_FABRIC_CHOICE_PYTHON_PATHS_H_

#include <string>
#include <vector>

#include "env/variables.h"

namespace muster::fabric {

// The directories in which that interpreter finds packages that were installed,
// in its order, each once; only those that exist. By the files alone: no Python
// is started, since that one may be slow, hang, or run the user's code.
//
// `interpreter`: its path as it is called, links not followed: a virtual
// environment's is a link to another one's. Known are PYTHONPATH, the user's
// own directory, virtual environments, Conda's and Debian's layouts. Not read
// are the files that extend the path (*.pth), nor an interpreter's flags such
// as -I.
std::vector<std::string> PythonPaths(const std::string& interpreter,
                                     const env::Variables& variables);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_CHOICE_PYTHON_PATHS_H_
