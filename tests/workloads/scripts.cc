#include "tests/workloads/scripts.h"

#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "tests/support/files.h"
#include "tests/support/muster.h"
#include "tests/support/subprocess.h"

namespace muster::test {

std::string WhyNo(const std::string& interpreter, const std::string& modules) {
  if (access(interpreter.c_str(), X_OK) != 0) {
    return absl::StrCat(interpreter,
                        " is not there; tests/workloads/venv.sh makes it");
  }
  Subprocess trial({.argv = {interpreter, "-c", "import " + modules}});
  return trial.Wait(absl::Seconds(60)) == Code(0)
             ? ""
             : absl::StrCat("no ", modules, ": ", trial.Text());
}

std::vector<std::string> Python(const std::string& interpreter,
                                const std::string& script,
                                const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {
      interpreter, "-B", absl::StrCat(MUSTER_WORKLOADS, "/", script)};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

double Accuracy(const std::string& cwd) {
  const std::string text =
      ReadFile(RunDirectory(cwd) + "/nodes/node0/outputs/accuracy.txt");
  double accuracy = 0;
  return absl::SimpleAtod(absl::StripSuffix(text, "\n"), &accuracy) ? accuracy
                                                                    : 0;
}

}  // namespace muster::test
