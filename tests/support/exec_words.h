// Arguments and environment of a program, as exec and posix_spawn take them.
#ifndef MUSTER_TESTS_SUPPORT_EXEC_WORDS_H_
#define MUSTER_TESTS_SUPPORT_EXEC_WORDS_H_

#include <map>
#include <string>
#include <vector>

namespace muster::test {

// "NAME=VALUE" of each, and of what every program needs of the test's own
// environment, where `variables` do not say otherwise.
std::vector<std::string> EnvironmentOf(
    std::map<std::string, std::string> variables);

// Pointers to these words and a null one; the words must outlive them.
std::vector<char*> Pointers(std::vector<std::string>& words);

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_EXEC_WORDS_H_
