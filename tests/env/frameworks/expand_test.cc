#include "env/frameworks/expand.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <sstream>

#include "absl/strings/escaping.h"

namespace muster::env {
namespace {

TEST(ExpandVariables, ReplacesNamesInBothForms) {
  const Variables variables = {{"A", "1"}, {"A_B", "2"}, {"a b", "3"}};
  EXPECT_EQ(ExpandVariables("$A", variables), "1");
  EXPECT_EQ(ExpandVariables("x${A}y$A_B.$A-", variables), "x1y2.1-");
  EXPECT_EQ(ExpandVariables("${a b}", variables), "3");
  EXPECT_EQ(ExpandVariables("--rank=$A", variables), "--rank=1");
}

TEST(ExpandVariables, LeavesUndefinedNamesAlone) {
  const Variables variables = {{"A", "1"}};
  EXPECT_EQ(ExpandVariables("$B${B}$AB", variables), "$B${B}$AB");
  EXPECT_EQ(ExpandVariables("${}$", variables), "${}$");
  // The undefined name is "B$A": what lies in it is not looked at.
  EXPECT_EQ(ExpandVariables("${B$A}", variables), "${B$A}");
}

TEST(ExpandVariables, EscapesNothing) {
  const Variables variables = {{"A", "1"}};
  EXPECT_EQ(ExpandVariables("$$A", variables), "$1");
  EXPECT_EQ(ExpandVariables("\\$A", variables), "\\1");
  EXPECT_EQ(ExpandVariables("'$A'", variables), "'1'");
}

TEST(ExpandVariables, DoesNotLookThroughAValueAgain) {
  const Variables variables = {{"A", "$B"}, {"B", "1"}, {"D", "$"}};
  EXPECT_EQ(ExpandVariables("$A", variables), "$B");
  EXPECT_EQ(ExpandVariables("${D}B", variables), "$B");
}

TEST(ExpandVariables, TakesAnOpenBraceForText) {
  const Variables variables = {{"A", "1"}};
  EXPECT_EQ(ExpandVariables("${A", variables), "${A");
  EXPECT_EQ(ExpandVariables("${A$A", variables), "${A1");
}

std::string Unhex(const std::string& text) {
  return absl::HexStringToBytes(text.substr(1));  // after a mark, see below
}

// The script generates variables and arguments and lets Python expand them.
// Each line is "variable NAME VALUE" or "case ARG EXPECTED" in hexadecimal
// digits after an x, so that no field is empty.
TEST(ExpandVariables, AgreesWithPython) {
  const std::string python = "/usr/bin/python3";
  if (access(python.c_str(), X_OK) != 0) {
    GTEST_SKIP() << python << " is missing, so there is nothing to compare "
                 << "with; install the package python3";
  }
  FILE* pipe = popen((python + " -I " EXPANDVARS_CASES).c_str(), "re");
  ASSERT_NE(pipe, nullptr);
  std::string output;
  char buffer[4096];
  while (size_t n = fread(buffer, 1, sizeof(buffer), pipe)) {
    output.append(buffer, n);
  }
  ASSERT_EQ(pclose(pipe), 0) << "the script failed";

  Variables variables;
  int cases = 0;
  int changed = 0;
  std::istringstream lines(output);
  for (std::string kind, first, second; lines >> kind >> first >> second;) {
    if (kind == "variable") {
      variables[Unhex(first)] = Unhex(second);
      continue;
    }
    ASSERT_EQ(kind, "case");
    const std::string arg = Unhex(first);
    const std::string expected = Unhex(second);
    EXPECT_EQ(ExpandVariables(arg, variables), expected)
        << "of " << absl::CHexEscape(arg);
    ++cases;
    if (arg != expected) ++changed;
  }
  EXPECT_GE(cases, 300);
  EXPECT_GE(changed, 100) << "too few cases have something to expand";
  EXPECT_GE(cases - changed, 20) << "too few cases stay as they are";
}

}  // namespace
}  // namespace muster::env
