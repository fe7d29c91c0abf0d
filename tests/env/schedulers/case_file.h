// A node's environment as a text file: what golden tests and fuzzers start
// from.
#ifndef MUSTER_TESTS_ENV_SCHEDULERS_CASE_FILE_H_
#define MUSTER_TESTS_ENV_SCHEDULERS_CASE_FILE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "env/schedulers/discovery.h"
#include "env/schedulers/inputs.h"
#include "env/schedulers/reading.h"
#include "env/variables.h"

namespace muster::test {

// Files out of a map from path to text.
class FakeFiles : public env::FileReader {
 public:
  absl::StatusOr<std::string> Read(const std::string& path) const override;
  std::vector<std::string> List(const std::string& directory) const override;

  std::map<std::string, std::string> texts;
  std::string forbidden;  // the path of a file that may not be read
};

// One line each:
//
//   # comment
//   @name NAME             a name of this node; @address likewise
//   @scheduler NAME        as in --scheduler; auto without it
//   @env-level node        or process
//   @file PATH             the lines that begin with "|" are its text
//   |TEXT
//   NAME=VALUE             a variable
//
// Anything else is ignored, so that every file is a case.
struct Case {
  env::Variables variables;
  env::NodeIdentity node;
  FakeFiles files;
  env::EnvLevel level = env::EnvLevel::kUnsaid;
  std::string scheduler = "auto";
};

Case ParseCase(absl::string_view text);

// What is discovered, with all evidence, as text: the same for the same answer.
std::string Describe(const env::MaybeDiscovery& found);

}  // namespace muster::test

#endif  // MUSTER_TESTS_ENV_SCHEDULERS_CASE_FILE_H_
