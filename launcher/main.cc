// muster: one agent per node.
//
// The order of main():
//   1. read the command line; wrong ones end here, before anything is started
//   2. take the token out of the environment, where workers could read it
//   3. fork the keeper, while this process is small and has one thread
//   4. everything else: certificates, gRPC, the agent
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "env/frameworks/environment.h"
#include "env/hardware/interfaces.h"
#include "env/schedulers/system_files.h"
#include "launcher/agent.h"
#include "launcher/collect_command.h"
#include "launcher/command_line.h"
#include "launcher/credential_choice.h"
#include "launcher/directories.h"
#include "launcher/exit_codes.h"
#include "launcher/fabric/nccl/inventory.h"
#include "launcher/fabric/nccl/probe.h"
#include "launcher/history_main.h"
#include "launcher/job_plan.h"
#include "launcher/log.h"
#include "launcher/mpi/local_socket.h"
#include "launcher/mpi/rank_shim.h"
#include "launcher/mpi/rsh.h"
#include "launcher/process/keeper.h"
#include "launcher/process/orphans.h"
#include "launcher/show_env.h"
#include "launcher/simulate/simulator.h"
#include "rendezvous/credentials.h"
#include "rendezvous/token.h"
#include "rendezvous/transport.h"

namespace muster::launcher {
namespace {

constexpr char kTokenVariable[] = "MUSTER_TOKEN";

int Complain(int exit_code, const std::string& text) {
  fprintf(stderr, "muster: %s\n", text.c_str());
  return exit_code;
}

// The token of the environment, which then no longer shows it: neither to
// children nor to whoever reads /proc/<pid>/environ.
std::optional<std::string> TakeTokenVariable() {
  char* value = getenv(kTokenVariable);
  if (!value) return std::nullopt;
  std::string token = value;
  memset(value, 0, token.size());
  unsetenv(kTokenVariable);
  return token;
}

std::string HostName() {
  char name[256] = {};
  if (gethostname(name, sizeof name - 1) != 0) return "localhost";
  return name;
}

// "" where it was removed.
std::string CurrentDirectory() {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::current_path(error);
  return error ? "" : path.string();
}

// Where the agent of a job of --framework mpi listens; "" outside of one.
std::string AgentSocket() {
  const char* name = getenv(mpi::kSocketVariable);
  return name ? name : "";
}

std::vector<std::string> OwnAddresses() {
  std::vector<std::string> addresses;
  const auto interfaces = env::ListInterfaces();
  if (!interfaces.ok()) return addresses;
  // Loopback's are every node's: the last to look for in a list of hosts.
  for (const bool loopback : {false, true}) {
    for (const env::InterfaceAddress& one : *interfaces) {
      if (one.loopback == loopback) addresses.push_back(one.address);
    }
  }
  return addresses;
}

// What `run` and `sim` have in common before their ways part.
struct Prepared {
  rendezvous::LoadedToken token;
  process::KeeperHandle keeper;
};

absl::StatusOr<Prepared> Prepare(const JobSpec& spec,
                                 const std::optional<std::string>& variable) {
  Prepared prepared;
  absl::StatusOr<rendezvous::LoadedToken> token =
      rendezvous::LoadToken(variable, spec.token_file());
  if (!token.ok()) return token.status();
  prepared.token = *std::move(token);
  if (!prepared.token.warning.empty()) {
    fprintf(stderr, "muster: warning: %s\n", prepared.token.warning.c_str());
  }
  if (absl::Status status = process::BecomeSubreaper(); !status.ok()) {
    fprintf(stderr, "muster: warning: %s\n",
            std::string(status.message()).c_str());
  }
  absl::StatusOr<process::KeeperHandle> keeper = process::Keeper::Fork();
  if (!keeper.ok()) return keeper.status();
  prepared.keeper = *std::move(keeper);
  signal(SIGPIPE, SIG_IGN);
  return prepared;
}

int RunAgent(const RunCommand& command, Prepared prepared, bool as_json) {
  JobSpec spec = command.spec;
  StartLog(spec.host_name());
  MakeDirectoriesAbsolute(std::filesystem::current_path().string(), &spec);
  for (const std::string& line : command.learnt) spdlog::info("{}", line);
  absl::StatusOr<rendezvous::Credentials> credentials =
      MakeCredentials(spec, prepared.token.token, spec.endpoint_host());
  if (!credentials.ok()) {
    return Complain(kUsage, std::string(credentials.status().message()));
  }
  absl::StatusOr<rendezvous::Credentials> to_collector =
      spec.collector_insecure()
          ? rendezvous::Credentials::Insecure()
          : MakeCredentials(spec, prepared.token.token, spec.collector_host());
  if (!to_collector.ok()) {
    return Complain(kUsage, std::string(to_collector.status().message()));
  }
  if (absl::Status status = rendezvous::PrepareProcess(); !status.ok()) {
    spdlog::warn("{}", std::string(status.message()));
  }
  Agent agent(spec, {*std::move(credentials), *std::move(to_collector)},
              std::move(prepared.keeper), env::ParseEnvironment(environ),
              as_json);
  const int code = agent.Run();
  // What is left is gRPC's threads, which need not be waited for: everything
  // that was written is in its files.
  fflush(nullptr);
  _exit(code);
}

int RunSimulator(JobSpec spec, Prepared prepared) {
  std::string token;
  if (!spec.insecure() && spec.tls_cert_file().empty()) {
    if (!prepared.token.token) {
      // Of which the collector of many jobs knows nothing.
      spec.set_collector_insecure(!spec.collector_host().empty());
      absl::StatusOr<rendezvous::Token> fresh = rendezvous::GenerateToken();
      if (!fresh.ok()) {
        return Complain(kInternal, std::string(fresh.status().message()));
      }
      prepared.token.token = *std::move(fresh);
    }
    token = std::string(prepared.token.token->secret());
  }
  simulate::Simulator simulator(
      std::move(spec), std::filesystem::read_symlink("/proc/self/exe").string(),
      token, std::move(prepared.keeper), env::ParseEnvironment(environ));
  return simulator.Run();
}

int PrintToken() {
  absl::StatusOr<rendezvous::Token> token = rendezvous::GenerateToken();
  if (!token.ok()) {
    return Complain(kInternal, std::string(token.status().message()));
  }
  printf("%s\n", std::string(token->secret()).c_str());
  return kSuccess;
}

int Collect(const CollectCommand& command,
            const std::optional<std::string>& variable) {
  absl::StatusOr<rendezvous::LoadedToken> token =
      rendezvous::LoadToken(variable, command.security.token_file());
  if (!token.ok())
    return Complain(kUsage, std::string(token.status().message()));
  if (!token->warning.empty()) {
    fprintf(stderr, "muster: warning: %s\n", token->warning.c_str());
  }
  JobSpec security = command.security;
  security.set_host_name(HostName());
  absl::StatusOr<rendezvous::Credentials> credentials =
      MakeCredentials(security, token->token, "");
  if (!credentials.ok()) {
    return Complain(kUsage, std::string(credentials.status().message()));
  }
  signal(SIGPIPE, SIG_IGN);
  if (absl::Status status = rendezvous::PrepareProcess(); !status.ok()) {
    fprintf(stderr, "muster: warning: %s\n",
            std::string(status.message()).c_str());
  }
  const int code = RunCollect(command, *credentials);
  // What is left is gRPC's threads, which need not be waited for.
  fflush(nullptr);
  _exit(code);
}

int ShowEnvironment(const EnvCommand& command) {
  JobSpec spec = command.spec;
  MakeDirectoriesAbsolute(std::filesystem::current_path().string(), &spec);
  const absl::StatusOr<JobPlan> plan =
      JobPlan::Make(std::move(spec), env::ParseEnvironment(environ));
  if (!plan.ok()) return Complain(kUsage, std::string(plan.status().message()));
  const Writer write = [](absl::string_view text) {
    fwrite(text.data(), 1, text.size(), stdout);
  };
  const absl::Status shown = command.json
                                 ? ShowAsJson(*plan, command.decisions, write)
                                 : ShowAsText(*plan, command.decisions, write);
  if (!shown.ok()) return Complain(kUsage, std::string(shown.message()));
  if (fflush(stdout) != 0) {
    return Complain(kInternal, absl::StrCat("the output can't be written: ",
                                            strerror(errno)));
  }
  return kSuccess;
}

int RunFabricProbe(const FabricProbeCommand& command) {
  const fabric::Environment environment = env::ParseEnvironment(environ);
  const std::string library =
      command.nccl_library.empty() ? "libnccl.so.2" : command.nccl_library;
  if (command.inventory) {
    return fabric::PrintNcclInventory(
        {.nccl_library = library, .environment = environment});
  }
  return fabric::RunNcclProbe(
      {.nccl_library = library,
       .settings = {.log = command.log, .host_id = command.host_id},
       .environment = environment});
}

int Main(int argc, char** argv) {
  const env::SystemFiles files;
  const CommandLine line = ParseCommandLine(
      {argv + 1, argv + argc},
      {ReadVariables(environ), HostName(), OwnAddresses(), &files});
  for (const std::string& warning : line.warnings) {
    fprintf(stderr, "muster: warning: %s\n", warning.c_str());
  }
  if (const auto* errors = std::get_if<UsageErrors>(&line.command)) {
    fputs(errors->Text().c_str(), stderr);
    return kUsage;
  }
  if (const auto* print = std::get_if<PrintCommand>(&line.command)) {
    fputs(print->text.c_str(), print->exit_code == 0 ? stdout : stderr);
    return print->exit_code;
  }
  if (std::holds_alternative<TokenCommand>(line.command)) return PrintToken();
  if (const auto* rsh = std::get_if<RshCommand>(&line.command)) {
    return mpi::RunRsh(rsh->host, rsh->words,
                       {.agent = AgentSocket(),
                        .environment = env::ParseEnvironment(environ),
                        .working_directory = CurrentDirectory()});
  }
  if (std::holds_alternative<RankShimCommand>(line.command)) {
    return mpi::RunRankShim(AgentSocket(), env::ParseEnvironment(environ));
  }
  if (const auto* probe = std::get_if<FabricProbeCommand>(&line.command)) {
    return RunFabricProbe(*probe);
  }
  if (const auto* history = std::get_if<HistoryCommand>(&line.command)) {
    return RunHistory(*history, TakeTokenVariable());
  }

  if (const auto* collect = std::get_if<CollectCommand>(&line.command)) {
    return Collect(*collect, TakeTokenVariable());
  }
  if (CurrentDirectory().empty()) {
    return Complain(kNotExecutable,
                    "the working directory was removed; change to another one");
  }
  if (const auto* env = std::get_if<EnvCommand>(&line.command)) {
    return ShowEnvironment(*env);
  }
  const auto* sim = std::get_if<SimCommand>(&line.command);
  const auto* check = std::get_if<CheckCommand>(&line.command);
  RunCommand run;
  if (check) {
    run = check->run;
  } else if (!sim) {
    run = std::get<RunCommand>(line.command);
  }
  const JobSpec& spec = sim ? sim->spec : run.spec;
  absl::StatusOr<Prepared> prepared = Prepare(spec, TakeTokenVariable());
  if (!prepared.ok()) {
    const bool usage = !absl::IsResourceExhausted(prepared.status());
    return Complain(usage ? kUsage : kInternal,
                    std::string(prepared.status().message()));
  }
  return sim ? RunSimulator(spec, *std::move(prepared))
             : RunAgent(run, *std::move(prepared), check && check->json);
}

}  // namespace
}  // namespace muster::launcher

int main(int argc, char** argv) { return muster::launcher::Main(argc, argv); }
