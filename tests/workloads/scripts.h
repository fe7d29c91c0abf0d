// The training scripts of this folder, as its tests start them.
#ifndef MUSTER_TESTS_WORKLOADS_SCRIPTS_H_
#define MUSTER_TESTS_WORKLOADS_SCRIPTS_H_

#include <string>
#include <vector>

namespace muster::test {

// For which the distribution's PyTorch, mpi4py and scikit-learn are installed.
inline constexpr char kDebianPython[] = "/usr/bin/python3";

// Why this interpreter cannot import these ("a, b"), with what it says of it;
// "" when it can.
std::string WhyNo(const std::string& interpreter, const std::string& modules);

// INTERPRETER -B SCRIPT ARGUMENTS..., for a script of this folder, beside which
// its imports leave no __pycache__.
std::vector<std::string> Python(const std::string& interpreter,
                                const std::string& script,
                                const std::vector<std::string>& arguments = {});

// What node 0 of the only run below `cwd` left in outputs/accuracy.txt; 0 when
// that is no number.
double Accuracy(const std::string& cwd);

}  // namespace muster::test

#endif  // MUSTER_TESTS_WORKLOADS_SCRIPTS_H_
