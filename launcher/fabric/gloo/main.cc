// muster-gloo-probe: reduces with the probes of other nodes when the agent says
// so, over TCP with Gloo, and tells what came of it (proto/fabric.proto).
// Standard input: commands. Standard output: events. Standard error: its log.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <exception>
#include <iostream>
#include <optional>
#include <string>

#include "gloo/config.h"
#include "launcher/fabric/gloo/event_pipe.h"
#include "launcher/fabric/gloo/mesh.h"
#include "launcher/fabric/gloo/probe.h"

namespace muster::fabric {
namespace {

struct Options {
  std::string address;
  std::string log;  // "" for standard error
};

constexpr char kHelp[] =
    "usage: muster-gloo-probe --address ADDRESS [--log FILE]\n"
    "\n"
    "Tests this node with others for the agent that starts it, over TCP with\n"
    "Gloo. People run `muster check`.\n"
    "\n"
    "  --address ADDRESS  of this node, numeric, by which the others reach it\n"
    "  --log FILE         in place of standard error; is made new\n";

// nullopt, with the mistake told, where they make no sense.
std::optional<Options> Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc || (name != "--address" && name != "--log")) {
      std::cerr << "muster-gloo-probe: what is '" << name << "'?\n" << kHelp;
      return std::nullopt;
    }
    (name == "--log" ? options.log : options.address) = argv[i + 1];
  }
  if (options.address.empty()) {
    std::cerr << "muster-gloo-probe: --address is missing\n" << kHelp;
    return std::nullopt;
  }
  return options;
}

bool LogInto(const std::string& file) {
  const int fd =
      open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) {
    std::cerr << "muster-gloo-probe: cannot write --log " << file << '\n';
    return false;
  }
  dup2(fd, STDERR_FILENO);
  close(fd);
  return true;
}

// What Gloo prints to standard output must not come between the events.
int TakeStandardOutput() {
  const int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  return fd;
}

void SayReady(EventPipe& agent) {
  ProbeEvent event;
  event.mutable_ready()->set_backend("Gloo " +
                                     std::to_string(GLOO_VERSION_MAJOR) + "." +
                                     std::to_string(GLOO_VERSION_MINOR) + "." +
                                     std::to_string(GLOO_VERSION_PATCH));
  agent.Send(event);
}

void SayBroken(const std::string& why, EventPipe& agent) {
  ProbeEvent event;
  FabricFailure& failure = *event.mutable_broken();
  failure.set_kind(FABRIC_FAILURE_ERROR);
  failure.set_stage(FABRIC_STAGE_START);
  failure.set_message(why);
  agent.Send(event);
}

int Main(int argc, char** argv) {
  const std::optional<Options> options = Parse(argc, argv);
  if (!options) return kUsage;
  if (!options->log.empty() && !LogInto(options->log)) return kUsage;
  EventPipe agent(TakeStandardOutput());
  // Gloo writes to connections that may be gone.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    DeviceOf(options->address);
  } catch (const std::exception& error) {
    SayBroken("Gloo cannot use the address " + options->address + ": " +
                  GlooMessage(error) + "; --advertise takes another one",
              agent);
    return kNoAddress;
  }
  SayReady(agent);
  Probe(STDIN_FILENO, options->address, &agent).Work();
}

}  // namespace
}  // namespace muster::fabric

int main(int argc, char** argv) { return muster::fabric::Main(argc, argv); }
