#include "launcher/command_line.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "launcher/exit_codes.h"
#include "launcher/flags.h"

namespace muster::launcher {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

using Strings = std::vector<std::string>;

CommandLine Parse(const Strings& arguments, const Variables& variables = {}) {
  return ParseCommandLine(arguments, {variables, "thishost"});
}

// `line` in words, split at spaces.
CommandLine ParseLine(const std::string& line,
                      const Variables& variables = {}) {
  return Parse(absl::StrSplit(line, ' ', absl::SkipEmpty()), variables);
}

Strings MistakesOf(const CommandLine& line) {
  const auto* errors = std::get_if<UsageErrors>(&line.command);
  return errors == nullptr ? Strings() : errors->mistakes;
}

Strings Mistakes(const std::string& line, const Variables& variables = {}) {
  return MistakesOf(ParseLine(line, variables));
}

// The spec of a line that must be right.
JobSpec Spec(const std::string& line, const Variables& variables = {}) {
  const CommandLine parsed = ParseLine(line, variables);
  if (const auto* run = std::get_if<RunCommand>(&parsed.command)) {
    return run->spec;
  }
  if (const auto* sim = std::get_if<SimCommand>(&parsed.command)) {
    return sim->spec;
  }
  if (const auto* env = std::get_if<EnvCommand>(&parsed.command)) {
    return env->spec;
  }
  ADD_FAILURE() << line << "\n" << absl::StrJoin(MistakesOf(parsed), "\n");
  return {};
}

// A directory of this test's own, removed at its end.
class SharedDirectory {
 public:
  SharedDirectory() {
    std::string name = ::testing::TempDir() + "/muster-init-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~SharedDirectory() { rmdir(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST(CommandLine, DefaultsAreThoseOfTheContract) {
  const JobSpec spec = Spec("run -- python train.py --lr 0.1 -- x");
  EXPECT_THAT(spec.agreement().command(),
              ElementsAre("python", "train.py", "--lr", "0.1", "--", "x"));
  EXPECT_EQ(spec.agreement().muster_version(), MUSTER_VERSION);
  EXPECT_EQ(spec.agreement().framework(), FRAMEWORK_PYTORCH);
  EXPECT_EQ(spec.agreement().min_nodes(), 1u);
  EXPECT_EQ(spec.agreement().max_nodes(), 1u);
  EXPECT_EQ(spec.agreement().backend(), "");
  EXPECT_EQ(spec.agreement().init_method(), "tcp");
  EXPECT_EQ(spec.agreement().job_id(), "");
  EXPECT_EQ(spec.workers_per_node(), WORKERS_PER_NODE_AUTO);
  EXPECT_EQ(spec.gpu_binding(), GPU_BINDING_UNSPECIFIED);
  EXPECT_FALSE(spec.agreement().has_tasks());
  EXPECT_EQ(spec.endpoint_host(), "");
  EXPECT_FALSE(spec.has_node_rank());
  EXPECT_EQ(spec.host_name(), "thishost");
  EXPECT_EQ(spec.join_timeout_ms(), 600'000);
  EXPECT_EQ(spec.heartbeat_ms(), 1'000);
  EXPECT_EQ(spec.node_timeout_ms(), 5'000);
  EXPECT_EQ(spec.stop_grace_ms(), 30'000);
  EXPECT_EQ(spec.log_dir(), "./logs");
  EXPECT_EQ(spec.output_dir(), "./outputs");
  EXPECT_EQ(spec.run_dir(), "./muster-runs");
  EXPECT_TRUE(spec.collect());
  EXPECT_EQ(spec.collector_host(), "");
  EXPECT_EQ(spec.spool_dir(), "");
  EXPECT_EQ(spec.spool_bytes(), uint64_t{1} << 30);
  EXPECT_FALSE(spec.spool_blocks());
  EXPECT_EQ(spec.collect_timeout_ms(), 300'000);
  EXPECT_EQ(spec.console(), CONSOLE_ALL);
  EXPECT_EQ(spec.report_file(), "");
  EXPECT_EQ(spec.scheduler(), "auto");
  EXPECT_EQ(spec.env_level(), "");
  EXPECT_FALSE(spec.insecure());
}

TEST(CommandLine, ReadsBothFormsAndBothSpellings) {
  const JobSpec spec = Spec(
      "run --nnodes=2:4 --nproc_per_node 8 --rdzv_endpoint=[fe80::1]:400 "
      "--insecure --env A=b=c --env=D= --stop-grace 0s --console first "
      "--framework plain --collector none -- x");
  EXPECT_EQ(spec.agreement().min_nodes(), 2u);
  EXPECT_EQ(spec.agreement().max_nodes(), 4u);
  EXPECT_EQ(spec.workers_per_node(), WORKERS_PER_NODE_COUNT);
  EXPECT_EQ(spec.worker_count(), 8u);
  EXPECT_EQ(spec.endpoint_host(), "fe80::1");
  EXPECT_EQ(spec.endpoint_port(), 400u);
  EXPECT_TRUE(spec.insecure());
  ASSERT_THAT(spec.worker_env(), SizeIs(2));
  EXPECT_EQ(spec.worker_env(0).name(), "A");
  EXPECT_EQ(spec.worker_env(0).value(), "b=c");
  EXPECT_EQ(spec.worker_env(1).name(), "D");
  EXPECT_EQ(spec.worker_env(1).value(), "");
  EXPECT_EQ(spec.stop_grace_ms(), 0);
  EXPECT_EQ(spec.console(), CONSOLE_FIRST);
  EXPECT_EQ(spec.agreement().framework(), FRAMEWORK_PLAIN);
  EXPECT_FALSE(spec.collect());
}

TEST(CommandLine, AllMistakesAreReportedAtOnce) {
  const CommandLine line = ParseLine(
      "run --nnodes 0 --nproc-per-node banana --nods 2 --stop-grace 5 "
      "--console= --env =x --rdzv-endpoint h:0 --backend");
  EXPECT_THAT(
      MistakesOf(line),
      ElementsAre(
          "--console: needs a value: --console all|first|none",
          "--nods: no flag of muster run; did you mean --nnodes?",
          "--backend: needs a value: --backend nccl|gloo",
          "--nnodes 0: must be N or MIN:MAX, with 1 <= MIN <= MAX <= 65536",
          "--nproc-per-node banana: must be a number from 1 to 1024, or gpu, "
          "cpu or auto",
          "--rdzv-endpoint h:0: port 0 means any free port, which the other "
          "nodes could not know; the port must be 1 to 65535",
          "--env =x: must be NAME=VALUE, with a name",
          "--stop-grace 5: must be a duration such as 500ms, 30s, 10m or 1h, "
          "from 0s to 720h",
          "no command: end with -- COMMAND [ARG...], as in muster run -- "
          "python train.py"));
  const auto& errors = std::get<UsageErrors>(line.command);
  EXPECT_THAT(errors.Text(), StartsWith("muster: --console: needs a value"));
  EXPECT_THAT(errors.Text(), HasSubstr("\nsee `muster run --help`\n"));
}

struct Case {
  const char* flag;
  Strings bad;
  Strings good;
  const char* right;
};

TEST(CommandLine, EachValueIsCheckedAndTheLineSaysWhatIsRight) {
  const Case cases[] = {
      {"framework",
       {"jax"},
       {"plain", "tensorflow", "mpi"},
       "pytorch, tensorflow, mpi or plain"},
      {"nnodes",
       {"0", "-1", "+1", "2:1", "1:", ":2", "1:2:3", "65537", "1.5", "x",
        "99999999999"},
       {"1:1"},
       "1 <= MIN <= MAX <= 65536"},
      {"nproc-per-node",
       {"0", "1025", "-1", "GPU", "1x"},
       {"1", "1024", "gpu", "cpu", "auto"},
       "1 to 1024"},
      {"backend", {"mpi"}, {"nccl", "gloo"}, "nccl or gloo"},
      {"init-method",
       {"udp", "file://host/dir", "file://", "dir"},
       {"tcp", "file:///tmp"},
       "file:///ABSOLUTE/DIR"},
      {"init-method",
       {"file:///tmp/a#b", "file:///tmp/a?b"},
       {},
       "without '?' and '#'"},
      {"gpu-binding", {"all"}, {"none", "one"}, "none or one"},
      {"rdzv-id",
       {"a/b", ".", "..", "a b", std::string(65, 'a').c_str()},
       {"job-1_a.b", std::string(64, 'a').c_str()},
       "1 to 64 characters"},
      {"node-rank", {"-1", "x", "65536"}, {"0"}, "must be a number from 0"},
      {"advertise",
       {"node1", "10.0.0.1:80", "0.0.0.0", "::", "[::1]"},
       {"10.0.0.1", "fe80::1"},
       "numeric address"},
      {"host-name",
       {"a b", "a\x1b", std::string(254, 'a').c_str()},
       {"node-1", std::string(253, 'a').c_str()},
       "1 to 253 printable"},
      {"scheduler",
       {"mesos", "Slurm"},
       {"auto", "none"},
       "one of pet, azureml"},
      {"env-level", {"pod", "1"}, {"node", "process"}, "node or process"},
      {"host-dns",
       {"10.0.0.1", "fd00::1", "a b", "h:0"},
       {"workers.ns.svc:29401"},
       "must be"},
      {"rdzv-timeout", {"0s", "x"}, {"1ms"}, "from 1ms"},
      {"heartbeat", {"0s", "1"}, {"500ms"}, "from 1ms"},
      {"node-timeout", {"0s", "-1s"}, {"1h"}, "from 1ms"},
      {"stop-grace", {"30"}, {"0s"}, "from 0s"},
      {"max-restarts", {"x", "-1"}, {"0"}, "a number from 0"},
      {"fabric-check",
       {"on"},
       {"auto", "nccl", "gloo", "off"},
       "auto, nccl, gloo or off"},
      {"size", {"1", "x", "17GiB"}, {"1KiB", "64MiB"}, "must be"},
      {"rounds", {"0", "x"}, {"1", "10000"}, "from 1 to 10000"},
      {"limit-local", {"0", "-1", "x"}, {"0.5", "400"}, "GB/s above 0"},
      {"limit-network", {"0", "nan"}, {"40"}, "GB/s above 0"},
      {"fabric-timeout", {"0s", "5"}, {"5s"}, "must be"},
      {"env", {"A", "=b"}, {"A="}, "NAME=VALUE"},
      {"input",
       {"DATA", "DATA=", "=/data", "A-B=/data", "A B=/data", "\xc3\xa4=/d"},
       {"DATA=/data", "data_2=./with = and space"},
       "NAME=DIR"},
      {"output", {"MODEL", "MODEL=", "A.B=/x"}, {"MODEL=x"}, "NAME=DIR"},
      {"console", {"some"}, {"all", "first", "none"}, "all, first or none"},
      {"collector",
       {"host:0", "host:x", "http://host", ":1"},
       {"none", "127.0.0.1", "localhost:80", "[::1]:80"},
       ""},
      {"spool-size", {"1", "1023KiB", "much"}, {"1MiB", "2G"}, "must be"},
      {"spool-full", {"wait"}, {"drop", "block"}, "drop or block"},
      {"collect-timeout", {"5", "-1s"}, {"0s", "10m"}, "must be a duration"},
      {"insecure", {"maybe"}, {"true", "false", "1", "0"}, "true or false"},
      {"run-id", {"a/b", ".."}, {"r1"}, "1 to 64 characters"},
      {"pretend-gpus", {"-1", "1025"}, {"0", "8"}, "0 to 1024"},
  };
  for (const Case& c : cases) {
    for (const std::string& value : c.bad) {
      EXPECT_THAT(
          MistakesOf(Parse(
              {"run", absl::StrCat("--", c.flag, "=", value), "--", "x"})),
          ElementsAre(AllOf(StartsWith(absl::StrCat("--", c.flag)),
                            HasSubstr(c.right))))
          << c.flag << " " << value;
    }
    for (const std::string& value : c.good) {
      EXPECT_THAT(
          MistakesOf(Parse(
              {"run", absl::StrCat("--", c.flag, "=", value), "--", "x"})),
          IsEmpty())
          << c.flag << " " << value;
    }
  }
}

TEST(CommandLine, WhatThisVersionLacksIsRefusedAndNotIgnored) {
  EXPECT_THAT(Mistakes("run --max-restarts 1 -- x"),
              ElementsAre(AllOf(StartsWith("--max-restarts 1: "),
                                HasSubstr("not in this version"))));
  EXPECT_THAT(
      Mistakes("doctor"),
      ElementsAre(
          "muster doctor: not in this version; the commands are run, sim, "
          "check, env, collect, runs, show, logs, files, get, rsh and token"));
}

TEST(CommandLine, CheckTakesTheFlagsOfARunThatSpeakOfNoWorkers) {
  const CommandLine line =
      ParseLine("check --nnodes 2 --rdzv-endpoint h --insecure --json");
  ASSERT_TRUE(std::holds_alternative<CheckCommand>(line.command));
  const auto& check = std::get<CheckCommand>(line.command);
  EXPECT_TRUE(check.json);
  EXPECT_TRUE(check.run.spec.agreement().fabric().only());
  EXPECT_EQ(check.run.spec.agreement().fabric().kind(), FABRIC_AUTO);
  EXPECT_EQ(check.run.spec.agreement().command_size(), 0);
  EXPECT_THAT(Mistakes("check -- x"),
              ElementsAre(HasSubstr("starts no command")));
  EXPECT_THAT(Mistakes("check --fabric-check off"),
              ElementsAre(HasSubstr("nothing")));
  EXPECT_THAT(Mistakes("check --nnodes 2 --insecure"),
              ElementsAre(HasSubstr("--rdzv-endpoint")));
}

TEST(CommandLine, ReadsTheTasksOfTensorflow) {
  const JobSpec spec = Spec(
      "run --framework tensorflow --worker-count 3 --parameter_server_count 1 "
      "--chief --evaluator --base-port 2222 -- x");
  const TaskSettings& tasks = spec.agreement().tasks();
  EXPECT_EQ(spec.agreement().framework(), FRAMEWORK_TENSORFLOW);
  EXPECT_EQ(tasks.workers(), 3u);
  EXPECT_EQ(tasks.parameter_servers(), 1u);
  EXPECT_TRUE(tasks.chief());
  EXPECT_TRUE(tasks.evaluator());
  EXPECT_EQ(tasks.base_port(), 2222u);
  const JobSpec by_variables =
      Spec("run -- x", {{"MUSTER_FRAMEWORK", "tensorflow"},
                        {"MUSTER_WORKER_COUNT", "2"},
                        {"MUSTER_CHIEF", "true"}});
  EXPECT_EQ(by_variables.agreement().tasks().workers(), 2u);
  EXPECT_TRUE(by_variables.agreement().tasks().chief());
}

TEST(CommandLine, ChecksTheNumbersOfTensorflow) {
  for (const char* flag :
       {"--worker-count 0", "--worker-count x", "--worker-count 65537",
        "--parameter-server-count -1", "--base-port 0", "--base-port 65536",
        "--chief=maybe"}) {
    EXPECT_THAT(
        Mistakes(absl::StrCat("run --framework tensorflow ", flag, " -- x")),
        ElementsAre(HasSubstr(": must be ")))
        << flag;
  }
  EXPECT_THAT(
      Mistakes("run --framework tensorflow --parameter-server-count 0 -- x"),
      IsEmpty());
}

TEST(CommandLine, RefusesTasksForOtherFrameworks) {
  EXPECT_THAT(
      Mistakes("run --worker-count 2 --parameter-server-count 1 --chief "
               "--evaluator --base-port 1 -- x"),
      ElementsAre("--worker-count: only for --framework tensorflow",
                  "--parameter-server-count: only for --framework tensorflow",
                  "--chief: only for --framework tensorflow",
                  "--evaluator: only for --framework tensorflow",
                  "--base-port: only for --framework tensorflow"));
}

TEST(CommandLine, RefusesArgumentsOfMpirunForOtherFrameworks) {
  EXPECT_THAT(Mistakes("run --mpi-arg -v -- x"),
              ElementsAre("--mpi-arg: only for --framework mpi"));
}

TEST(CommandLine, RshTakesAHostAndWords) {
  const CommandLine line = Parse({"rsh", "node1", "echo", "a b", "--help"});
  const auto* rsh = std::get_if<RshCommand>(&line.command);
  ASSERT_NE(rsh, nullptr);
  EXPECT_EQ(rsh->host, "node1");
  EXPECT_THAT(rsh->words, ElementsAre("echo", "a b", "--help"));
  EXPECT_THAT(MistakesOf(Parse({"rsh", "node1"})),
              ElementsAre(HasSubstr("needs a host and a command")));
  const CommandLine help = Parse({"rsh", "--help"});
  EXPECT_THAT(std::get<PrintCommand>(help.command).text,
              HasSubstr("muster rsh HOST COMMAND"));
}

TEST(CommandLine, RefusesTasksThatDoNotFitTheNodes) {
  const auto mistakes = [](const std::string& flags) {
    return Mistakes("sim --framework tensorflow " + flags + " -- x");
  };
  EXPECT_THAT(mistakes("--nnodes 3 --worker-count 2"),
              ElementsAre(StartsWith("--worker-count 2: node 2 of 3 would have "
                                     "no task")));
  EXPECT_THAT(mistakes("--nnodes 3 --worker-count 2 --evaluator"), IsEmpty());
  EXPECT_THAT(
      mistakes("--nnodes 2 --nproc-per-node 2 --worker-count 5"),
      ElementsAre("--worker-count 5: more than --nproc-per-node 2 allows on 2 "
                  "nodes; leave one of the two out"));
  EXPECT_THAT(mistakes("--nnodes 2 --nproc-per-node 2 --worker-count 4"),
              IsEmpty());
  EXPECT_THAT(mistakes("--nnodes 2:4 --worker-count 4"),
              ElementsAre(HasSubstr("need a fixed number of nodes")));
  EXPECT_THAT(mistakes("--nnodes 2:4 --parameter-server-count 1"),
              ElementsAre(HasSubstr("need a fixed number of nodes")));
  EXPECT_THAT(mistakes("--nnodes 2:4 --chief"), IsEmpty());
  EXPECT_THAT(mistakes("--base-port 65530 --worker-count 6"), IsEmpty());
  EXPECT_THAT(
      mistakes("--base-port 65530 --worker-count 6 --evaluator"),
      ElementsAre("--base-port 65530: leaves no port below 65536 for 7 tasks "
                  "of a node"));
  EXPECT_THAT(mistakes("--nnodes 2 --base-port 2222"),
              ElementsAre(StartsWith("--base-port: simulated nodes share")));
}

TEST(CommandLine, TheCommandBelongsAfterTwoDashes) {
  // Nothing of the user's command is taken for a flag of muster's.
  EXPECT_THAT(Mistakes("run --nproc-per-node 2 python train.py --backend mpi "
                       "--help --lr 1"),
              ElementsAre("python: the command goes after --, as in muster run "
                          "-- python"));
  EXPECT_THAT(Mistakes("run"), ElementsAre(HasSubstr("no command")));
  EXPECT_THAT(Mistakes("run --"), ElementsAre(HasSubstr("no command")));
  EXPECT_THAT(MistakesOf(Parse({"run", "--", "", "x"})),
              ElementsAre("the command after -- is an empty word"));
  EXPECT_THAT(Mistakes("run 4 --nnodes x -- python"),
              ElementsAre(StartsWith("4: no flag"), StartsWith("--nnodes x:")));
}

TEST(CommandLine, UnknownFlagsDoNotHideWhatFollows) {
  EXPECT_THAT(
      Mistakes("run --nproc-per-nod 4 --consol=all -x --frobnicate --console "
               "some -- python"),
      ElementsAre("--nproc-per-nod: no flag of muster run; did you mean "
                  "--nproc-per-node?",
                  "--consol: no flag of muster run; did you mean --console?",
                  "-x: no flag of muster run",
                  "--frobnicate: no flag of muster run",
                  "--console some: must be all, first or none"));
}

TEST(CommandLine, AFlagIsNeverTheValueOfAnother) {
  EXPECT_THAT(Mistakes("run --run-dir --console none -- python"),
              ElementsAre("--run-dir: needs a value: --run-dir DIR"));
  EXPECT_THAT(Mistakes("run --nnodes --nproc_per_node= --console -- python"),
              SizeIs(3));
  EXPECT_THAT(MistakesOf(Parse({"run", "--run-dir", "", "--", "x"})),
              ElementsAre("--run-dir: needs a value: --run-dir DIR"));
}

TEST(CommandLine, ARepeatedFlagIsAMistake) {
  EXPECT_THAT(Mistakes("run --console all --env A=1 --console=none --env B=2 "
                       "--insecure --insecure -- x"),
              ElementsAre("--console: given 2 times (all, none); give it once",
                          "--insecure: given 2 times (true, true); give it "
                          "once"));
}

TEST(CommandLine, ReadsWhereOutputGoesAndWhereItWaits) {
  const JobSpec spec = Spec(
      "run --collector 127.0.0.1 --spool-dir /fast --spool-size 2GiB "
      "--spool-full block --collect-timeout 0s -- x");
  EXPECT_EQ(spec.collector_host(), "127.0.0.1");
  EXPECT_EQ(spec.collector_port(), 29401u);
  EXPECT_EQ(spec.spool_dir(), "/fast");
  EXPECT_EQ(spec.spool_bytes(), uint64_t{2} << 30);
  EXPECT_TRUE(spec.spool_blocks());
  EXPECT_EQ(spec.collect_timeout_ms(), 0);
}

TEST(CommandLine, ACollectorOnAnotherHostNeedsAToken) {
  for (const char* command : {"run", "sim"}) {
    EXPECT_THAT(Mistakes(absl::StrCat(command, " --collector store:80 -- x")),
                ElementsAre(AllOf(StartsWith("--collector store: "),
                                  HasSubstr("needs a token"))));
    EXPECT_THAT(
        Mistakes(absl::StrCat(command, " --collector store --insecure -- x")),
        IsEmpty());
    EXPECT_THAT(Mistakes(absl::StrCat(
                    command, " --collector store --token-file f -- x")),
                IsEmpty());
  }
}

TEST(CommandLine, TheTokenIsNeverAnArgument) {
  for (const char* form : {"--token s3cret", "--token=s3cret"}) {
    const auto mistakes = Mistakes(absl::StrCat("run ", form, " -- x"));
    EXPECT_THAT(mistakes, ElementsAre("--token: never in argv: use "
                                      "MUSTER_TOKEN or --token-file"));
  }
  EXPECT_THAT(Mistakes("run --tokn=s3cret -- x"),
              ElementsAre(Not(HasSubstr("s3cret"))));
  EXPECT_THAT(Mistakes("run --env MUSTER_TOKEN=x -- x"),
              ElementsAre(HasSubstr("not for the workers")));
}

TEST(CommandLine, VariablesStandInForFlagsThatAreNotGiven) {
  const Variables variables = {{"MUSTER_NPROC_PER_NODE", "4"},
                               {"MUSTER_CONSOLE", "none"},
                               {"MUSTER_INSECURE", "1"},
                               {"MUSTER_ENV", "A=1\nB=two words\n"},
                               {"MUSTER_RUN_DIR", ""},
                               {"MUSTER_GPUS_PER_NODE", "2"},
                               {"WORLD_SIZE", "9"}};
  const JobSpec spec = Spec("run --console first -- x", variables);
  EXPECT_EQ(spec.worker_count(), 4u);
  EXPECT_EQ(spec.console(), CONSOLE_FIRST);
  EXPECT_TRUE(spec.insecure());
  ASSERT_THAT(spec.worker_env(), SizeIs(2));
  EXPECT_EQ(spec.worker_env(1).value(), "two words");
  EXPECT_EQ(spec.run_dir(), "./muster-runs");
  EXPECT_EQ(spec.pretend_gpus(), 0u);
  EXPECT_EQ(spec.agreement().max_nodes(), 1u);
  EXPECT_EQ(Spec("sim -- x", variables).pretend_gpus(), 2u);
}

TEST(CommandLine, AMistakeInAVariableNamesTheVariable) {
  EXPECT_THAT(Mistakes("run -- x",
                       {{"MUSTER_NNODES", "zero"}, {"MUSTER_ENV", "A=1\nB"}}),
              ElementsAre(StartsWith("MUSTER_NNODES=zero: must be"),
                          StartsWith("MUSTER_ENV=B: must be")));
  // The flag beats the variable, so that the variable does not matter.
  EXPECT_THAT(Mistakes("run --console all -- x", {{"MUSTER_CONSOLE", "wrong"}}),
              IsEmpty());
}

TEST(CommandLine, UnknownVariablesAreWarnedOf) {
  const CommandLine line =
      ParseLine("run --scheduler none -- x", {{"MUSTER_NNODE", "2"},
                                              {"MUSTER_TOKEN", "t"},
                                              {"MUSTER_RUN_ID", "r"},
                                              {"MUSTER_PRETEND_GPUS", "8"},
                                              {"HOME", "/"}});
  EXPECT_THAT(line.warnings,
              ElementsAre("MUSTER_NNODE: not a variable of muster, ignored; "
                          "did you mean MUSTER_NNODES?",
                          "MUSTER_PRETEND_GPUS: not a variable of muster, "
                          "ignored"));
  ASSERT_TRUE(std::holds_alternative<RunCommand>(line.command));
  EXPECT_EQ(std::get<RunCommand>(line.command).spec.pretend_gpus(), 0u);
}

TEST(CommandLine, SeveralNodesNeedAPlaceToMeetAndASecret) {
  EXPECT_THAT(
      Mistakes("run --nnodes 2 -- x"),
      ElementsAre(StartsWith("more than one node needs --rdzv-endpoint"),
                  "more than one node needs a job token: set MUSTER_TOKEN to "
                  "the output of `muster token` on every node, or "
                  "--token-file; --insecure goes without"));
  const std::string two = "run --nnodes 1:2 --rdzv-endpoint node1 ";
  EXPECT_THAT(Mistakes(two + "-- x"), SizeIs(1));
  EXPECT_THAT(Mistakes(two + "-- x", {{"MUSTER_TOKEN", ""}}), SizeIs(1));
  EXPECT_THAT(Mistakes(two + "-- x", {{"MUSTER_TOKEN", "t"}}), IsEmpty());
  EXPECT_THAT(Mistakes(two + "--token-file f -- x"), IsEmpty());
  EXPECT_THAT(Mistakes(two + "--tls-cert c --tls-key k --tls-ca a -- x"),
              IsEmpty());
  EXPECT_THAT(Mistakes(two + "--insecure -- x"), IsEmpty());
  EXPECT_THAT(Mistakes("sim --nnodes 2 -- x"), IsEmpty());
}

TEST(CommandLine, FlagsThatContradictEachOtherAreRefused) {
  EXPECT_THAT(Mistakes("run --tls-cert c --tls-key k -- x"),
              ElementsAre(HasSubstr("give all three or none")));
  EXPECT_THAT(Mistakes("run --tls-cert c --tls-key k --tls-ca a --token-file f "
                       "-- x"),
              ElementsAre(HasSubstr("exclude each other")));
  EXPECT_THAT(Mistakes("run --insecure --token-file f -- x"),
              ElementsAre(StartsWith("--insecure goes without")));
  EXPECT_THAT(Mistakes("run --heartbeat 5s -- x"),
              ElementsAre(StartsWith(
                  "--heartbeat 5s: must be shorter than --node-timeout 5s")));
  EXPECT_THAT(Mistakes("run --node-rank 1 -- x"),
              ElementsAre("--node-rank 1: must be less than the 1 node of "
                          "--nnodes"));
  EXPECT_THAT(Mistakes("run --nnodes 2 --rdzv-endpoint h --insecure "
                       "--node-rank 1 -- x"),
              IsEmpty());
  const CommandLine line =
      ParseLine("run --insecure -- x", {{"MUSTER_TOKEN", "t"}});
  EXPECT_THAT(line.warnings,
              ElementsAre("--insecure: MUSTER_TOKEN is not used"));
}

TEST(CommandLine, OneMistakeIsReportedOnce) {
  const Variables token = {{"MUSTER_TOKEN", "t"}};
  for (const char* flags :
       {"--nnodes 2 --rdzv-endpoint h:0", "--nnodes 2 --rdzv-endpoint",
        "--nnodes x --node-rank 1", "--heartbeat 0s --node-timeout 500ms",
        "--heartbeat 1s --node-timeout 5s --node-timeout 6s"}) {
    EXPECT_THAT(Mistakes(absl::StrCat("run ", flags, " -- x"), token),
                SizeIs(1))
        << flags;
  }
  EXPECT_THAT(Mistakes("run --nnodes 2 --rdzv-endpoint h --token-file= -- x"),
              SizeIs(1));
}

TEST(CommandLine, TheDirectoryOfTheInitMethodMustBeUsable) {
  const SharedDirectory shared;
  const std::string url = "file://" + shared.path();
  EXPECT_EQ(
      Spec("run --init-method " + url + " -- x").agreement().init_method(),
      url);
  EXPECT_THAT(Mistakes("run --init-method " + url + "/none -- x"),
              ElementsAre(HasSubstr("/none: No such file or directory")));
  const std::string file = shared.path() + "/file";
  std::ofstream(file) << "x";
  EXPECT_THAT(Mistakes("run --init-method file://" + file + " -- x"),
              ElementsAre(HasSubstr("is no directory")));
  ASSERT_EQ(unlink(file.c_str()), 0);
  // Root may write everywhere, so ask as somebody else, in a child process.
  EXPECT_EXIT(
      {
        if (chmod(shared.path().c_str(), 0555) != 0 ||
            (getuid() == 0 && setuid(65534) != 0)) {
          _exit(2);
        }
        std::cerr << absl::StrJoin(
            Mistakes("run --init-method " + url + " -- x"), "\n");
        _exit(0);
      },
      ::testing::ExitedWithCode(0), "cannot write to .*Permission denied");
}

TEST(CommandLine, EachInputAndOutputHasANameOfItsOwn) {
  const JobSpec spec =
      Spec("run --input A=/a --input a=/b --output A=/c --shared-dir s -- x");
  ASSERT_THAT(spec.inputs(), SizeIs(2));
  EXPECT_EQ(spec.inputs(1).name(), "a");
  EXPECT_EQ(spec.outputs(0).value(), "/c");
  EXPECT_EQ(spec.shared_dir(), "s");
  EXPECT_THAT(Mistakes("run --input A=/a --input A=/b -- x"),
              ElementsAre("--input A=/b: A is given already, as /a; give each "
                          "name once"));
  EXPECT_THAT(Mistakes("run -- x", {{"MUSTER_OUTPUT", "A=/a\nA=/b"}}),
              ElementsAre(StartsWith("MUSTER_OUTPUT=A=/b: A is given")));
  EXPECT_EQ(Spec("run -- x", {{"MUSTER_INPUT", "A=/a\nB=/b"}}).inputs(1).name(),
            "B");
}

TEST(CommandLine, EnvTakesTheFlagsOfTheOthersAndNeedsNoCommand) {
  const CommandLine line = ParseLine(
      "env --nnodes=4 --json --gpus-per-node 8 --rdzv-endpoint head "
      "--node-rank 3",
      {{"MUSTER_NPROC_PER_NODE", "2"}});
  const auto* env = std::get_if<EnvCommand>(&line.command);
  ASSERT_NE(env, nullptr) << absl::StrJoin(MistakesOf(line), "\n");
  EXPECT_TRUE(env->json);
  EXPECT_EQ(env->spec.agreement().max_nodes(), 4u);
  EXPECT_EQ(env->spec.pretend_gpus(), 8u);
  EXPECT_EQ(env->spec.node_rank(), 3u);
  EXPECT_THAT(env->spec.agreement().command(), IsEmpty());
  EXPECT_EQ(env->decisions,
            (Decisions{{"framework", "default"},
                       {"nnodes", "--nnodes 4"},
                       {"node-rank", "--node-rank 3"},
                       {"nproc-per-node", "MUSTER_NPROC_PER_NODE=2"}}));
  // --json of the user's command is the user's.
  const CommandLine with_command = ParseLine("env -- train --json");
  EXPECT_FALSE(std::get<EnvCommand>(with_command.command).json);
  EXPECT_THAT(
      std::get<EnvCommand>(with_command.command).spec.agreement().command(),
      ElementsAre("train", "--json"));
  EXPECT_THAT(Mistakes("env --nnodes 0 --json --jsn"), SizeIs(2));
  EXPECT_THAT(Mistakes("env --nnodes 2 --node-rank 2"),
              ElementsAre(HasSubstr("must be less than the 2 nodes")));
  EXPECT_THAT(Mistakes("run --json -- x"),
              ElementsAre(HasSubstr("no flag of muster run")));
}

TEST(CommandLine, SimGivesEachNodeItsOwn) {
  const JobSpec spec = Spec("sim --nnodes 3 --gpus-per-node 8 -- x");
  EXPECT_EQ(spec.agreement().max_nodes(), 3u);
  EXPECT_EQ(spec.pretend_gpus(), 8u);
  EXPECT_EQ(spec.host_name(), "");
  for (const char* flag :
       {"--rdzv-endpoint h", "--node-rank 0", "--advertise 10.0.0.1",
        "--host-name h", "--host-file f", "--host-dns h", "--scheduler slurm",
        "--env-level node"}) {
    EXPECT_THAT(Mistakes(absl::StrCat("sim ", flag, " -- x")),
                ElementsAre(HasSubstr("sim gives each node its own")))
        << flag;
  }
  EXPECT_THAT(Mistakes("sim -- x", {{"MUSTER_NODE_RANK", "0"}}),
              ElementsAre("MUSTER_NODE_RANK: not for muster sim: sim gives "
                          "each node its own"));
  EXPECT_THAT(Mistakes("run --gpus-per-node 8 -- x"),
              ElementsAre("--gpus-per-node: only for muster sim; muster run "
                          "looks for GPUs itself"));
}

TEST(CommandLine, ASpecSurvivesTheWayThroughArguments) {
  const SharedDirectory shared;
  JobSpec spec;
  Agreement* agreement = spec.mutable_agreement();
  agreement->set_muster_version(MUSTER_VERSION);
  agreement->set_job_id("job-1");
  agreement->set_min_nodes(2);
  agreement->set_max_nodes(4);
  agreement->set_framework(FRAMEWORK_PLAIN);
  agreement->set_backend("gloo");
  agreement->set_init_method("file://" + shared.path());
  agreement->add_command("python");
  agreement->add_command("--");
  agreement->add_command("");
  agreement->add_command("\xff");
  spec.set_workers_per_node(WORKERS_PER_NODE_COUNT);
  spec.set_worker_count(3);
  spec.set_gpu_binding(GPU_BINDING_ONE);
  spec.set_endpoint_host("fe80::1");
  spec.set_endpoint_port(400);
  spec.set_node_rank(0);
  spec.set_advertise("10.0.0.1");
  spec.set_host_name("node-1");
  spec.set_join_timeout_ms(90'001);
  spec.set_heartbeat_ms(1);
  spec.set_node_timeout_ms(1'500);
  spec.set_stop_grace_ms(0);
  for (const char* name : {"A", "--B"}) {
    Variable* variable = spec.add_worker_env();
    variable->set_name(name);
    variable->set_value("x=\n\xff y");
  }
  spec.set_shared_dir("-shared");
  for (auto* aliases : {spec.mutable_inputs(), spec.mutable_outputs()}) {
    for (const char* name : {"A", "b_2"}) {
      Variable* alias = aliases->Add();
      alias->set_name(name);
      alias->set_value("/x=\n\xff y");
    }
  }
  spec.set_log_dir("-logs");
  spec.set_output_dir("/out puts");
  spec.set_collect(true);
  spec.set_collector_host("::1");
  spec.set_collector_port(401);
  spec.set_collector_insecure(true);
  spec.set_spool_dir("/spool");
  spec.set_spool_bytes(uint64_t{3} << 20);
  spec.set_spool_blocks(true);
  spec.set_collect_timeout_ms(7'000);
  spec.set_run_dir("runs");
  spec.set_console(CONSOLE_FIRST);
  spec.set_report_file("report.json");
  spec.set_run_id("r1");
  spec.set_insecure(false);
  spec.set_token_file("token");
  spec.set_pretend_gpus(8);
  spec.set_scheduler("none");
  spec.set_env_level("process");
  spec.set_nccl_library("/lib/libnccl.so.2");
  FabricSettings* fabric = agreement->mutable_fabric();
  fabric->set_kind(FABRIC_GLOO);
  fabric->set_bytes(uint64_t{3} << 20);
  fabric->set_rounds(5);
  fabric->set_exhaustive(true);
  fabric->set_strict(true);
  fabric->set_limit_local(300);
  fabric->set_limit_network(0.5);
  fabric->set_timeout_ms(1'500);
  // Every field but those of another kind of credentials or of meeting.
  const auto* descriptor = JobSpec::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const auto* field = descriptor->field(i);
    const std::string& name = field->name();
    if (field->is_repeated() || name == "collect" || name == "insecure" ||
        name == "stop_grace_ms" || name.substr(0, 4) == "tls_" ||
        name == "host_file" || name == "host_dns") {
      continue;
    }
    EXPECT_TRUE(spec.GetReflection()->HasField(spec, field))
        << name << ": set it in this test, and give it a flag";
  }

  const auto round_trip = [](const JobSpec& original) {
    Strings arguments = {"run"};
    for (const std::string& argument : ToArguments(original)) {
      arguments.push_back(argument);
    }
    arguments.emplace_back("--");
    for (const std::string& word : original.agreement().command()) {
      arguments.push_back(word);
    }
    // Variables of the simulator's must not matter.
    const CommandLine line = Parse(arguments, {{"MUSTER_CONSOLE", "none"},
                                               {"MUSTER_INSECURE", "true"},
                                               {"MUSTER_GPUS_PER_NODE", "2"},
                                               {"MUSTER_ENV", "C=3"},
                                               {"MUSTER_INPUT", "C=3"}});
    EXPECT_THAT(MistakesOf(line), IsEmpty());
    const auto* run = std::get_if<RunCommand>(&line.command);
    return run == nullptr ? JobSpec() : run->spec;
  };
  EXPECT_TRUE(MessageDifferencer::Equals(round_trip(spec), spec))
      << round_trip(spec).DebugString();

  spec.clear_token_file();
  spec.set_tls_cert_file("cert");
  spec.set_tls_key_file("key");
  spec.set_tls_ca_file("ca");
  spec.set_collect(true);
  EXPECT_TRUE(MessageDifferencer::Equals(round_trip(spec), spec));

  // Instead of an endpoint: a name of all nodes.
  spec.clear_endpoint_host();
  spec.set_host_dns("workers.ns.svc");
  agreement->set_min_nodes(4);
  EXPECT_TRUE(MessageDifferencer::Equals(round_trip(spec), spec));

  const JobSpec simple = Spec("run --insecure --env A=1 --input A=1 -- x");
  EXPECT_TRUE(MessageDifferencer::Equals(round_trip(simple), simple));

  const JobSpec tasks = Spec(
      "run --insecure --env A=1 --input A=1 --framework tensorflow "
      "--worker-count 3 "
      "--parameter-server-count 2 "
      "--chief --evaluator --base-port 2222 -- x");
  EXPECT_TRUE(MessageDifferencer::Equals(round_trip(tasks), tasks));

  const JobSpec mpi = Spec(
      "run --insecure --env A=1 --input A=1 --framework mpi --mpi-arg --mca "
      "--mpi-arg=pml --mpi-arg ob1 -- x");
  EXPECT_EQ(mpi.agreement().mpi_arguments_size(), 3);
  EXPECT_EQ(mpi.agreement().mpi_arguments(0), "--mca");
  EXPECT_TRUE(MessageDifferencer::Equals(round_trip(mpi), mpi));
}

TEST(CommandLine, NothingThatIsTypedGetsPastTheMistakes) {
  const Strings words = {
      "--nnodes", "--nnodes=", "--nnodes=1", "2",           "--env",
      "A=1",      "--env=B=",  "--insecure", "--insecure=", "--insecure={}",
      "---x",     "--!x",      "-",          "-np",         "-1",
      "++",       "",          "[a,b]",      "{}",          "--=",
      "--_",      "--help=x",  "-hx",        "/x",          "--console",
      "all",      "--",        "\xff",       "-x=\x1b",     "--a b"};
  std::minstd_rand random(1);
  for (int round = 0; round < 3000; ++round) {
    const char* const commands[] = {"run", "sim", "env"};
    Strings arguments = {commands[round % 3]};
    for (size_t left = random() % 8; left > 0; --left) {
      arguments.push_back(words[random() % words.size()]);
    }
    const CommandLine line = Parse(arguments);
    const Strings mistakes = MistakesOf(line);
    for (const std::string& mistake : mistakes) {
      EXPECT_THAT(mistake, AllOf(Not(IsEmpty()), Not(HasSubstr("\n"))));
    }
    if (round % 3 == 2) continue;
    // Without "--" and a word after it there is no job.
    const auto separator = std::find(arguments.begin(), arguments.end(), "--");
    if (separator == arguments.end() || separator + 1 == arguments.end()) {
      EXPECT_TRUE(!mistakes.empty() ||
                  std::holds_alternative<PrintCommand>(line.command))
          << absl::StrJoin(arguments, " ");
    }
  }
}

TEST(CommandLine, ControlCharactersOfArgumentsAreNotEchoed) {
  const Strings mistakes =
      MistakesOf(Parse({"run", "--console", "\x1b[2J",
                        "--init-method=file:///\x1b", "--x\x1b", "--", "x"}));
  ASSERT_THAT(mistakes, SizeIs(3));
  for (const std::string& mistake : mistakes) {
    EXPECT_THAT(mistake, AllOf(Not(HasSubstr("\x1b")), HasSubstr("\\x1b")));
  }
  EXPECT_THAT(MistakesOf(Parse({"run", "--log-dir", "\xff", "--", "x"})),
              ElementsAre("--log-dir \\xff: must be UTF-8"));
}

TEST(CommandLine, ItsOtherCommandsAreSmall) {
  EXPECT_TRUE(std::holds_alternative<TokenCommand>(ParseLine("token").command));
  EXPECT_THAT(Mistakes("token x"), ElementsAre(HasSubstr("no arguments")));
  EXPECT_THAT(Mistakes("runn -- x"),
              ElementsAre("runn: no command of muster; the commands are run, "
                          "sim, check, env, collect, runs, show, logs, files, "
                          "get, rsh and token; did you mean run?"));
  EXPECT_THAT(Mistakes("--nnodes=2 run"),
              ElementsAre(StartsWith("--nnodes: a command comes first")));
  EXPECT_THAT(std::get<UsageErrors>(ParseLine("train").command).Text(),
              HasSubstr("\nsee `muster --help`\n"));

  const auto version = std::get<PrintCommand>(ParseLine("--version").command);
  EXPECT_EQ(version.text, "muster " MUSTER_VERSION "\n");
  EXPECT_EQ(version.exit_code, 0);
  const auto alone = std::get<PrintCommand>(Parse({}).command);
  EXPECT_EQ(alone.exit_code, kUsage);
  const auto help = std::get<PrintCommand>(ParseLine("--help").command);
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_EQ(help.text, alone.text);
  EXPECT_THAT(help.text, HasSubstr("muster sim --nnodes 2"));
  EXPECT_TRUE(
      std::holds_alternative<PrintCommand>(ParseLine("token -h").command));
}

TEST(CommandLine, HelpShowsEveryFlagInEightyColumns) {
  // Help is given although there are mistakes, but is the user's after --.
  const auto run =
      std::get<PrintCommand>(ParseLine("run --nnodes 0 --nope --help").command);
  const auto sim = std::get<PrintCommand>(ParseLine("sim -h").command);
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(Mistakes("run -- x --help"), IsEmpty());
  for (const Flag& flag : Flags()) {
    const auto shown = HasSubstr(absl::StrCat("  --", flag.name));
    const bool hidden = flag.group == Group::kHidden;
    if (hidden || !flag.BelongsTo(Command::kRun)) {
      EXPECT_THAT(run.text, Not(shown));
    } else {
      EXPECT_THAT(run.text, shown);
    }
    if (hidden || !flag.BelongsTo(Command::kSim)) {
      EXPECT_THAT(sim.text, Not(shown));
    } else {
      EXPECT_THAT(sim.text, shown);
    }
  }
  const auto main_help = std::get<PrintCommand>(ParseLine("-h").command);
  const auto env = std::get<PrintCommand>(ParseLine("env --help").command);
  EXPECT_THAT(env.text, AllOf(HasSubstr("--json"), HasSubstr("--nnodes")));
  for (const std::string& text :
       {run.text, sim.text, env.text, main_help.text}) {
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      EXPECT_LE(line.size(), 80u) << line;
    }
  }
}

TEST(CommandLine, EveryFallbackIsAValueOfItsFlag) {
  for (const Flag& flag : Flags()) {
    JobSpec spec;
    if (!flag.fallback.empty()) {
      EXPECT_TRUE(flag.codec->read(std::string(flag.fallback), &spec).ok())
          << flag.name;
    } else if (flag.group != Group::kHidden) {
      EXPECT_FALSE(flag.default_text.empty()) << flag.name;
    }
  }
}

TEST(CommandLine, TheEnvironmentBecomesAMap) {
  const char* const environment[] = {
      "A=1", "B=x=y", "C=", "broken", "A=2", nullptr};
  EXPECT_EQ(ReadVariables(environment),
            (Variables{{"A", "1"}, {"B", "x=y"}, {"C", ""}}));
}

}  // namespace
}  // namespace muster::launcher
