// The program under test and what it leaves behind.
#ifndef MUSTER_TESTS_SUPPORT_MUSTER_H_
#define MUSTER_TESTS_SUPPORT_MUSTER_H_

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/subprocess.h"

namespace muster::test {

// A job token; the agents of a job need the same.
inline constexpr char kToken[] = "a-token-that-all-nodes-of-the-test-know-0001";

// Name to value; "" for a flag that stands alone.
using Flags = std::map<std::string, std::string>;

// The binary of this build, or of $MUSTER_BINARY.
std::string MusterBinary();

// muster SUBCOMMAND FLAGS... -- COMMAND...
std::vector<std::string> MusterArgv(const std::string& subcommand,
                                    const Flags& flags,
                                    const std::vector<std::string>& command);

// {"/bin/sh", "-c", script}
std::vector<std::string> Shell(const std::string& script);

// The run directory below `cwd`/muster-runs. "" unless there is exactly one.
std::string RunDirectory(const std::string& cwd);

// report.json of that run.
nlohmann::json Report(const std::string& cwd);

// The text of report["first_cause"][field], "" when it has none.
std::string CauseText(const nlohmann::json& report, const std::string& field);

// Nothing of this process's family is left, now or within 10 s; else the
// failure names what is.
::testing::AssertionResult NothingIsLeftOf(const Subprocess& process);

// How many times `part` stands in `text`, overlaps not counted.
int Count(const std::string& text, const std::string& part);

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_MUSTER_H_
