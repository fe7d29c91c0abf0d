#include "rendezvous/task_layout.h"

#include <random>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/rendezvous/fixtures.h"

namespace muster::rendezvous {
namespace {

using test::Tasks;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// "ps 0, worker 0" for each node; the error's text alone when there is one.
std::vector<std::string> Names(const TaskSettings& settings,
                               const std::vector<uint32_t>& workers_of_nodes) {
  const auto layout = LayOutTasks(settings, workers_of_nodes);
  if (!layout.ok()) return {std::string(layout.status().message())};
  std::vector<std::string> names;
  for (const auto& node : *layout) {
    std::string line;
    for (const Task& task : node) {
      absl::StrAppend(&line, line.empty() ? "" : ", ",
                      TaskName(task.role(), task.index()));
    }
    names.push_back(line);
  }
  return names;
}

TEST(TaskLayout, IsThatOfAzureForOneWorkerOnEachNode) {
  EXPECT_THAT(Names(Tasks(3, 1), {1, 1, 1}),
              ElementsAre("ps 0, worker 0", "worker 1", "worker 2"));
}

TEST(TaskLayout, TakesTheNodesWorkersWhenNoNumberIsGiven) {
  EXPECT_THAT(Names(Tasks(0, 0), {2, 1}),
              ElementsAre("worker 0, worker 1", "worker 2"));
  EXPECT_THAT(Names(Tasks(0, 2), {1, 3}),
              ElementsAre("ps 0, worker 0",
                          "ps 1, worker 1, worker 2, "
                          "worker 3"));
}

TEST(TaskLayout, PutsWorkersInBlocksWithTheOddOnesFirst) {
  EXPECT_THAT(
      Names(Tasks(5, 0), {1, 1, 1}),
      ElementsAre("worker 0, worker 1", "worker 2, worker 3", "worker 4"));
}

TEST(TaskLayout, GoesRoundWithMoreParameterServersThanNodes) {
  EXPECT_THAT(Names(Tasks(2, 3), {1, 1}),
              ElementsAre("ps 0, ps 2, worker 0", "ps 1, worker 1"));
}

TEST(TaskLayout, PromotesWorker0ToChiefAndMovesTheOthersUp) {
  EXPECT_THAT(Names(Tasks(3, 1, true), {1, 1}),
              ElementsAre("ps 0, chief 0, worker 0", "worker 1"));
  EXPECT_THAT(Names(Tasks(1, 0, true), {1}), ElementsAre("chief 0"));
}

TEST(TaskLayout, PutsTheEvaluatorOnTheLastNodeEvenAlone) {
  EXPECT_THAT(Names(Tasks(2, 1, false, true), {1, 1}),
              ElementsAre("ps 0, worker 0", "worker 1, evaluator 0"));
  EXPECT_THAT(Names(Tasks(1, 0, false, true), {1, 1}),
              ElementsAre("worker 0", "evaluator 0"));
}

TEST(TaskLayout, NamesTheNodeThatWouldHaveNoTask) {
  EXPECT_THAT(Names(Tasks(2, 1), {1, 1, 1}),
              ElementsAre(AllOf(HasSubstr("node 2 of 3 would have no task"),
                                HasSubstr("2 workers and 1 parameter server"),
                                HasSubstr("--worker-count 3"))));
  EXPECT_THAT(Names(Tasks(1, 0, false, true), {1, 1, 1}),
              ElementsAre(HasSubstr("node 1 of 3 would have no task")));
  // A parameter server of its own is a task.
  EXPECT_THAT(Names(Tasks(1, 2), {1, 1}),
              ElementsAre("ps 0, worker 0", "ps 1"));
}

// Whatever is asked for: nothing is missing, nothing is twice, ranks go node by
// node, and every node keeps the order ps, workers, evaluator.
TEST(TaskLayout, HoldsForRandomJobs) {
  std::mt19937 random(7);
  const auto order = [](TaskRole role) {
    return role == TASK_ROLE_PS ? 0 : role == TASK_ROLE_EVALUATOR ? 2 : 1;
  };
  for (int round = 0; round < 2000; ++round) {
    std::vector<uint32_t> by_nproc(1 + random() % 8);
    for (uint32_t& workers : by_nproc) workers = 1 + random() % 4;
    const TaskSettings settings =
        Tasks(random() % 12, random() % 10, random() % 2, random() % 2);
    const auto layout = LayOutTasks(settings, by_nproc);
    if (!layout.ok()) {
      EXPECT_LT(settings.workers(), by_nproc.size());
      EXPECT_GT(settings.workers(), 0u);
      continue;
    }
    ASSERT_EQ(layout->size(), by_nproc.size());
    uint32_t expected_workers = settings.workers();
    if (expected_workers == 0) {
      for (const uint32_t workers : by_nproc) expected_workers += workers;
    }
    uint32_t rank = 0;
    uint32_t worker_index = 0;
    std::set<uint32_t> servers;
    uint32_t chiefs = 0;
    uint32_t evaluators = 0;
    for (size_t node = 0; node < layout->size(); ++node) {
      ASSERT_FALSE((*layout)[node].empty());
      int last = 0;
      for (const Task& task : (*layout)[node]) {
        EXPECT_EQ(task.rank(), rank++);
        EXPECT_EQ(task.node(), node);
        EXPECT_LE(last, order(task.role()));
        last = order(task.role());
        switch (task.role()) {
          case TASK_ROLE_PS:
            EXPECT_TRUE(servers.insert(task.index()).second);
            EXPECT_EQ(task.index() % by_nproc.size(), node);
            break;
          case TASK_ROLE_CHIEF:
            EXPECT_EQ(worker_index, 0u);
            ++chiefs;
            break;
          case TASK_ROLE_WORKER:
            EXPECT_EQ(task.index(), worker_index++);
            break;
          default:
            EXPECT_EQ(node + 1, layout->size());
            ++evaluators;
        }
      }
    }
    EXPECT_EQ(servers.size(), settings.parameter_servers());
    if (!servers.empty()) {
      EXPECT_EQ(*servers.rbegin() + 1, servers.size());
    }
    EXPECT_EQ(chiefs, settings.chief() ? 1u : 0u);
    EXPECT_EQ(chiefs + worker_index, expected_workers);
    EXPECT_EQ(evaluators, settings.evaluator() ? 1u : 0u);
  }
}

TEST(OnlyServes, IsTrueOfParameterServersAndOfWorkersThatAChiefLeads) {
  const std::set<TaskRole> plain = {TASK_ROLE_PS, TASK_ROLE_WORKER};
  EXPECT_TRUE(OnlyServes(TASK_ROLE_PS, plain));
  EXPECT_FALSE(OnlyServes(TASK_ROLE_WORKER, plain));
  const std::set<TaskRole> led = {TASK_ROLE_PS, TASK_ROLE_WORKER,
                                  TASK_ROLE_CHIEF};
  EXPECT_TRUE(OnlyServes(TASK_ROLE_WORKER, led));
  EXPECT_FALSE(OnlyServes(TASK_ROLE_CHIEF, led));
  EXPECT_FALSE(OnlyServes(TASK_ROLE_EVALUATOR, led));
  // Without parameter servers all train in step and end by themselves.
  const std::set<TaskRole> mirrored = {TASK_ROLE_WORKER, TASK_ROLE_CHIEF};
  EXPECT_FALSE(OnlyServes(TASK_ROLE_WORKER, mirrored));
}

}  // namespace
}  // namespace muster::rendezvous
