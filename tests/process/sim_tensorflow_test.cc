// TensorFlow's contract on simulated nodes, with workers that only look at it.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/files.h"
#include "tests/support/muster.h"
#include "tests/support/subprocess.h"

namespace muster::test {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Runs `look`, which prints something, on every task. Those that `serves` (a
// pattern of the shell) names end only when they are stopped in `serve`; the
// others end when those, which have these ranks, have come so far.
std::vector<std::string> Look(const std::string& look,
                              const std::string& serves, const char* ranks,
                              const std::string& serve = "exec sleep 1000") {
  return Shell(absl::StrCat(
      look, "; case $AZ_BATCHAI_TASK_TYPE in ", serves,
      ") touch $SHARED/serves.$RANK; ", serve, ";; esac; for rank in ", ranks,
      "; do until [ -e $SHARED/serves.$rank ]; do sleep 0.01; done; done"));
}

// (Not by echo "$TF_CONFIG": muster would put the value there, quotes and all,
// before the shell sees it.)
constexpr char kPrintTask[] =
    "printenv TF_CONFIG AZ_BATCHAI_WORKER_HOSTS AZ_BATCHAI_TASK_TYPE "
    "AZ_BATCHAI_TASK_INDEX";

// Listens on the port of its own task as any program would, reaches every task
// of its TF_CONFIG, and is reached by every worker.
constexpr char kMeet[] = R"(
import json, os, socket, threading, time
config = json.loads(os.environ['TF_CONFIG'])
cluster, task = config['cluster'], config['task']
host, port = cluster[task['type']][task['index']].rsplit(':', 1)
server = socket.create_server(('', int(port)), backlog=64)
def reach(address):
    host, port = address.rsplit(':', 1)
    while True:
        try:
            with socket.create_connection((host, int(port))) as peer:
                if peer.recv(1) == b'!':
                    return
        except OSError:
            time.sleep(0.01)
def reach_all():
    for addresses in cluster.values():
        for address in addresses:
            reach(address)
thread = threading.Thread(target=reach_all, daemon=True)
if task['type'] == 'worker':
    thread.start()
left = len(cluster['worker'])
while task['type'] == 'ps' or left > 0:
    peer, _ = server.accept()
    peer.sendall(b'!')
    peer.close()
    left -= 1
thread.join()
print(task['type'], task['index'], 'met all')
)";

class SimTensorflow : public ::testing::Test {
 protected:
  Subprocess& Start(Flags flags, const std::vector<std::string>& command) {
    flags.insert({{"--framework", "tensorflow"}, {"--nnodes", "2"}});
    sim_ = std::make_unique<Subprocess>(
        Command{.argv = MusterArgv("sim", flags, command),
                .env = {{"SHARED", directory_.path()}},
                .cwd = directory_.path()});
    return *sim_;
  }
  void Run(const Flags& flags, const std::vector<std::string>& command) {
    ASSERT_EQ(Start(flags, command).Wait(), Code(0)) << sim_->Text();
    EXPECT_EQ(Report(directory_.path())["result"], "succeeded");
    EXPECT_THAT(Report(directory_.path())["others"], IsEmpty());
    EXPECT_TRUE(NothingIsLeftOf(*sim_));
  }
  std::vector<std::string> Out(int rank) const {
    return Lines(ReadFile(absl::StrCat(RunDirectory(directory_.path()),
                                       "/logs/", rank, ".stdout")));
  }
  json ReportOfRun() const { return Report(directory_.path()); }

  const TempDir directory_;
  std::unique_ptr<Subprocess> sim_;
};

TEST_F(SimTensorflow, EveryTaskIsToldTheSameClusterAndItsOwnPlace) {
  Run({{"--worker-count", "3"}, {"--parameter-server-count", "1"}},
      Look(kPrintTask, "ps", "0"));
  // Node 0: ps 0, worker 0, worker 1; node 1: worker 2.
  const std::vector<std::string> tasks = {"ps 0", "worker 0", "worker 1",
                                          "worker 2"};
  std::set<std::string> clusters;
  std::set<std::string> addresses;
  for (int rank = 0; rank < 4; ++rank) {
    SCOPED_TRACE(absl::StrCat("rank ", rank));
    const std::vector<std::string> lines = Out(rank);
    ASSERT_EQ(lines.size(), 4u);
    EXPECT_EQ(lines[2] + " " + lines[3], tasks[rank]);
    clusters.insert(lines[0].substr(0, lines[0].find(",\"task\":")));
    const json config = json::parse(lines[0]);
    EXPECT_EQ(config["task"]["type"], lines[2]);
    EXPECT_EQ(absl::StrCat(config["task"].value("index", -1)), lines[3]);
    EXPECT_EQ(config["environment"], "cloud");
    const std::vector<std::string> workers = config["cluster"]["worker"];
    EXPECT_EQ(absl::StrJoin(workers, ","), lines[1]);
    EXPECT_EQ(workers.size(), 3u);
    EXPECT_EQ(config["cluster"]["ps"].size(), 1u);
    for (const auto& role : config["cluster"]) {
      for (const auto& address : role) addresses.insert(address);
    }
  }
  EXPECT_EQ(clusters.size(), 1u) << "byte for byte the same";
  EXPECT_EQ(addresses.size(), 4u) << "one for each task";
}

TEST_F(SimTensorflow, NobodyIsToldOfARoleThatThereIsNot) {
  Run({{"--nproc-per-node", "1"}}, {"env"});
  for (int rank = 0; rank < 2; ++rank) {
    const std::string all = absl::StrJoin(Out(rank), "\n");
    EXPECT_THAT(all, HasSubstr(R"(TF_CONFIG={"cluster":{"worker":[)"));
    EXPECT_THAT(all, ::testing::Not(HasSubstr("AZ_BATCHAI_PS_HOSTS")));
  }
}

TEST_F(SimTensorflow, EachTaskCanTakeItsPortAndReachAllOthers) {
  Run({{"--worker-count", "4"}, {"--parameter-server-count", "2"}},
      {"/usr/bin/python3", "-c", kMeet});
  for (const char* who : {"worker 0", "worker 1", "worker 2", "worker 3"}) {
    EXPECT_THAT(sim_->Out(), HasSubstr(absl::StrCat(who, " met all")));
  }
}

TEST_F(SimTensorflow, AServerThatMustBeKilledIsNoFailure) {
  Run({{"--parameter-server-count", "2"}, {"--stop-grace", "100ms"}},
      Look("trap '' TERM", "ps", "0 2", "while :; do sleep 0.01; done"));
}

TEST_F(SimTensorflow, TheJobIsOverWhenTheChiefHasEnded) {
  Run({{"--worker-count", "3"},
       {"--parameter-server-count", "1"},
       {"--chief", ""}},
      Look("printenv TF_CONFIG; trap 'exit 7' TERM", "ps|worker", "0 2 3",
           "while :; do sleep 0.01; done"));
  const json config = json::parse(Out(1).at(0));
  EXPECT_EQ(config["task"]["type"], "chief");
  EXPECT_EQ(config["cluster"]["chief"].size(), 1u);
  EXPECT_EQ(config["cluster"]["worker"].size(), 2u);
}

TEST_F(SimTensorflow, TheEvaluatorIsAwaitedAndKnownToItselfOnly) {
  const std::string go = directory_.File("go");
  MustRun({.argv = {"mkfifo", go}});
  Start({{"--evaluator", ""}, {"--parameter-server-count", "1"}},
        Look(absl::StrCat("printenv TF_CONFIG; case $AZ_BATCHAI_TASK_TYPE in"
                          " evaluator) read line <",
                          go, "; echo evaluated;; esac"),
             "ps", "0"));
  ASSERT_TRUE(sim_->WaitForOutput("waiting for the evaluator")) << sim_->Text();
  WriteFile(go, "go\n");
  EXPECT_EQ(sim_->Wait(), Code(0)) << sim_->Text();
  for (int rank = 0; rank < 3; ++rank) {
    EXPECT_FALSE(json::parse(Out(rank).at(0))["cluster"].contains("evaluator"));
  }
  const json own = json::parse(Out(3).at(0));
  EXPECT_EQ(own["cluster"]["evaluator"].size(), 1u);
  EXPECT_EQ(Out(3).at(1), "evaluated");
}

TEST_F(SimTensorflow, WorkersShareTheGpusOfTheirNodeAndServersSeeNone) {
  Run({{"--gpus-per-node", "4"},
       {"--worker-count", "3"},
       {"--parameter-server-count", "1"}},
      Look("printenv CUDA_VISIBLE_DEVICES", "ps", "0"));
  EXPECT_THAT(Out(0), ElementsAre(""));
  EXPECT_THAT(Out(1), ElementsAre("0,1"));
  EXPECT_THAT(Out(2), ElementsAre("2,3"));
  EXPECT_THAT(Out(3), ElementsAre("0,1,2,3"));
}

TEST_F(SimTensorflow, FewerGpusThanWorkersAreAMistakeThatNamesTheNode) {
  Start({{"--gpus-per-node", "1"}, {"--worker-count", "3"}}, {"true"});
  EXPECT_EQ(sim_->Wait(), Code(64)) << sim_->Text();
  EXPECT_EQ(CauseText(ReportOfRun(), "kind"), "config");
  EXPECT_EQ(CauseText(ReportOfRun(), "message"),
            "node 0 (node0): 1 visible GPUs for 2 workers; start fewer of them "
            "on a node (--worker-count, --nproc-per-node), check "
            "CUDA_VISIBLE_DEVICES, or let them share with --gpu-binding none");
}

TEST_F(SimTensorflow, TheTaskThatFailsIsNamed) {
  Start({{"--parameter-server-count", "1"}},
        Shell("[ $RANK != 2 ] || exit 3; exec sleep 1000"));
  EXPECT_EQ(sim_->Wait(), Code(3)) << sim_->Text();
  EXPECT_EQ(CauseText(ReportOfRun(), "rank"), "2");
  EXPECT_EQ(CauseText(ReportOfRun(), "task_type"), "worker");
  EXPECT_EQ(CauseText(ReportOfRun(), "task_index"), "1");
  EXPECT_THAT(sim_->Err(),
              AllOf(HasSubstr("node 0 of 2: ranks 0-1 of 3, ps 0, worker 0"),
                    HasSubstr("rank 2 (worker 1, local rank 0, pid ")));
  EXPECT_TRUE(NothingIsLeftOf(*sim_));
}

TEST_F(SimTensorflow, AServerThatFailsFailsTheJob) {
  Start({{"--parameter-server-count", "1"}},
        Shell("[ $RANK != 0 ] || exit 9; exec sleep 1000"));
  EXPECT_EQ(sim_->Wait(), Code(9)) << sim_->Text();
  EXPECT_EQ(CauseText(ReportOfRun(), "task_type"), "ps");
}

TEST_F(SimTensorflow, RunJsonNamesTheTasksAndTheirPorts) {
  Run({{"--parameter-server-count", "1"}}, Look(kPrintTask, "ps", "0"));
  const json run = ReadJson(RunDirectory(directory_.path()) + "/run.json");
  const json tasks = run["nodes"][0]["tasks"];
  ASSERT_EQ(tasks.size(), 2u);
  EXPECT_EQ(tasks[0]["type"], "ps");
  EXPECT_EQ(tasks[1]["rank"], 1);
  EXPECT_EQ(tasks[1]["type"], "worker");
  EXPECT_EQ(tasks[1]["index"], 0);
  const std::vector<std::string> workers =
      json::parse(Out(1).at(0))["cluster"]["worker"];
  EXPECT_EQ(absl::StrCat(run["nodes"][0].value("address", ""), ":",
                         tasks[1].value("port", 0)),
            workers[0]);
}

TEST_F(SimTensorflow, ABasePortThatIsTakenIsNamedWithItsTask) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const int port = ntohs(address.sin_port);
  Start({{"--nnodes", "1"}, {"--base-port", absl::StrCat(port)}}, {"true"});
  EXPECT_EQ(sim_->Wait(), Code(69)) << sim_->Text();
  close(fd);
  EXPECT_EQ(CauseText(ReportOfRun(), "kind"), "rendezvous");
  EXPECT_THAT(
      CauseText(ReportOfRun(), "message"),
      AllOf(HasSubstr(absl::StrCat("node 0 (node0): no port for worker 0: TCP "
                                   "port ",
                                   port, " is taken")),
            HasSubstr("choose another --base-port")));
}

TEST_F(SimTensorflow, NodesMayBeFewerThanTheMostThatAreTaken) {
  Run({{"--nnodes", "1:2"}}, {"printenv", "TF_CONFIG"});
  EXPECT_EQ(json::parse(Out(1).at(0))["cluster"]["worker"].size(), 2u);
}

}  // namespace
}  // namespace muster::test
