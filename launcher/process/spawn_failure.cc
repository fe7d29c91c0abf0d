#include "launcher/process/spawn_failure.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace muster::process {
namespace {

// The interpreter in the first line of a script; empty for other files.
absl::string_view Interpreter(absl::string_view line) {
  if (!absl::ConsumePrefix(&line, "#!")) return absl::string_view();
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  return line.substr(0, line.find_first_of(" \t"));
}

std::string MissingInterpreter(absl::string_view line) {
  const absl::string_view interpreter = Interpreter(line);
  if (interpreter.empty()) {
    return "its interpreter is missing (the dynamic loader that it was built "
           "for); install a build of it for this system";
  }
  const std::string named = absl::CHexEscape(interpreter);
  if (absl::EndsWith(interpreter, "\r")) {
    return absl::StrCat("its interpreter is missing: '", named,
                        "' ends in a carriage return; save the file with "
                        "Unix line ends");
  }
  return absl::StrCat("its interpreter is missing: install '", named,
                      "' or correct the file's first line");
}

std::string NotExecutable(absl::string_view line) {
  if (absl::StartsWith(line,
                       "\x7f"
                       "ELF")) {
    return "it was built for another kind of machine; install a build of it "
           "for this one";
  }
  return "it has no '#!' line; add one, or name the interpreter before it, as "
         "in 'bash FILE'";
}

std::string Missing(const SpawnFailure& failure) {
  switch (failure.step) {
    case SpawnStep::kWorkingDirectory:
      return "create it on this node or name another";
    case SpawnStep::kFind:
      if (failure.detail.empty()) {
        return "put the file there on every node, or correct its path";
      }
      return absl::StrCat(
          "it is in none of the directories of the worker's PATH, ",
          failure.detail, "; install it, correct PATH or give its path");
    case SpawnStep::kExec:
      return MissingInterpreter(failure.detail);
    default:
      return "";
  }
}

// What the user can do about `failure`, or "".
std::string Advice(const SpawnFailure& failure) {
  switch (failure.error) {
    case ENOENT:
      return Missing(failure);
    case EACCES:
      if (failure.step == SpawnStep::kWorkingDirectory) {
        return "give this user the right to enter it";
      }
      return "make it an executable file (chmod +x) on a file system that is "
             "not mounted noexec";
    case ENOEXEC:
      return NotExecutable(failure.detail);
    case E2BIG:
      return "arguments and environment are too long: the kernel takes 128 KiB "
             "for one string and a quarter of the stack limit (ulimit -s) for "
             "all; put long lists into a file";
    case EAGAIN:
      return "the limit of processes is reached (ulimit -u, or pids.max of "
             "the cgroup); raise it or start fewer workers";
    case EEXIST:
      return "its id is in use; this is a fault of the agent";
    case EMFILE:
    case ENFILE:
      return "the limit of open files is reached; raise it (ulimit -n)";
    case ENOMEM:
      return "the node or the cgroup is out of memory";
    case ETXTBSY:
      return "somebody has it open for writing; wait for the copy to end";
    case ECANCELED:
      return "the workers are being stopped; start it when that has ended";
    default:
      return "";
  }
}

std::string Action(const SpawnFailure& failure) {
  const std::string program = absl::StrCat("'", failure.program, "'");
  switch (failure.step) {
    case SpawnStep::kRequest:
      return absl::StrCat("cannot ask for the start of ", program);
    case SpawnStep::kWorkingDirectory:
      return absl::StrCat("cannot enter the working directory '",
                          failure.detail, "' to start ", program);
    case SpawnStep::kFind:
      return absl::StrCat("cannot find ", program);
    case SpawnStep::kPipes:
      return absl::StrCat("cannot make the pipes of ", program);
    case SpawnStep::kFork:
      return absl::StrCat("cannot make a process for ", program);
    case SpawnStep::kSetup:
      return absl::StrCat("cannot prepare the process of ", program);
    case SpawnStep::kExec:
      return absl::StrCat("cannot execute ", program);
  }
  return absl::StrCat("cannot start ", program);
}

}  // namespace

int SpawnFailure::ExitCode() const {
  const bool missing = error == ENOENT || error == ENOTDIR;
  return step == SpawnStep::kFind && missing ? 127 : 126;
}

std::string SpawnFailure::Message() const {
  std::string message = absl::StrCat(Action(*this), ": ", strerror(error));
  const std::string advice = Advice(*this);
  if (!advice.empty()) absl::StrAppend(&message, ": ", advice);
  return message;
}

}  // namespace muster::process
