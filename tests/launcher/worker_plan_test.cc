#include "launcher/worker_plan.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::launcher {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

JobSpec Spec() {
  JobSpec spec;
  spec.mutable_agreement()->set_framework(FRAMEWORK_PYTORCH);
  spec.mutable_agreement()->set_init_method("tcp");
  for (const char* argument : {"train", "--rank", "$RANK", "${UNSET}"}) {
    spec.mutable_agreement()->add_command(argument);
  }
  return spec;
}

Node NodeWith(std::vector<std::string> gpus, uint32_t workers) {
  return Node{.gpus = std::move(gpus),
              .workers = workers,
              .master_port = *env::HeldPort::Bind()};
}

Assignment SecondOfTwo() {
  Assignment assignment;
  assignment.set_run_id("run-1");
  assignment.set_node_rank(1);
  assignment.set_node_count(2);
  assignment.set_first_rank(3);
  assignment.set_world_size(5);
  assignment.set_master_address("10.0.0.1");
  assignment.set_master_port(23456);
  return assignment;
}

TEST(WorkerPlan, ExpandsTheArgumentsOfEachWorkerWithItsOwnVariables) {
  const auto plans =
      PlanWorkers(Spec(), NodeWith({}, 2), SecondOfTwo(), "eth0", {});
  ASSERT_TRUE(plans.ok()) << plans.status();
  ASSERT_THAT(*plans, SizeIs(2));
  EXPECT_THAT((*plans)[0].argv,
              ElementsAre("train", "--rank", "3", "${UNSET}"));
  EXPECT_THAT((*plans)[1].argv,
              ElementsAre("train", "--rank", "4", "${UNSET}"));
  EXPECT_EQ((*plans)[1].rank, 4u);
  EXPECT_EQ((*plans)[1].environment.at("LOCAL_RANK"), "1");
  EXPECT_EQ((*plans)[1].environment.at("GLOO_SOCKET_IFNAME"), "eth0");
}

TEST(WorkerPlan, LetsTheUsersVariablesWinAndBeExpanded) {
  JobSpec spec = Spec();
  Variable* variable = spec.add_worker_env();
  variable->set_name("UNSET");
  variable->set_value("set");
  const auto plans = PlanWorkers(spec, NodeWith({}, 1), SecondOfTwo(), "", {});
  ASSERT_TRUE(plans.ok());
  EXPECT_EQ((*plans)[0].argv.back(), "set");
}

TEST(WorkerPlan, KeepsTheTokenFromTheWorkers) {
  const auto plans = PlanWorkers(Spec(), NodeWith({}, 1), SecondOfTwo(), "",
                                 {{"MUSTER_TOKEN", "secret"}, {"HOME", "/"}});
  ASSERT_TRUE(plans.ok());
  EXPECT_EQ((*plans)[0].environment.count("MUSTER_TOKEN"), 0u);
  EXPECT_EQ((*plans)[0].environment.at("HOME"), "/");
}

TEST(WorkerPlan, GivesEachWorkerItsOwnGpuWhenAsked) {
  JobSpec spec = Spec();
  spec.set_gpu_binding(GPU_BINDING_ONE);
  const auto plans =
      PlanWorkers(spec, NodeWith({"2", "GPU-5"}, 2), SecondOfTwo(), "", {});
  ASSERT_TRUE(plans.ok());
  EXPECT_EQ((*plans)[0].environment.at("CUDA_VISIBLE_DEVICES"), "2");
  EXPECT_EQ((*plans)[1].environment.at("CUDA_VISIBLE_DEVICES"), "GPU-5");
}

// Node 1 of two: ps 1, worker 1 and worker 2, one of them at an IPv6 address.
Assignment TasksOfSecondNode() {
  Assignment assignment = SecondOfTwo();
  assignment.set_first_rank(2);
  for (const auto& [role, index] : std::vector<std::pair<TaskRole, uint32_t>>{
           {TASK_ROLE_PS, 1}, {TASK_ROLE_WORKER, 1}, {TASK_ROLE_WORKER, 2}}) {
    Task* task = assignment.add_tasks();
    task->set_role(role);
    task->set_index(index);
    task->set_rank(1 + assignment.tasks_size());
    task->set_node(1);
    task->set_address("fd00::2");
    task->set_port(2221 + assignment.tasks_size());
  }
  return assignment;
}

Cluster ClusterOfBothNodes() {
  Cluster cluster;
  for (const TaskRole role : {TASK_ROLE_PS, TASK_ROLE_WORKER}) {
    Task* task = cluster.add_tasks();
    task->set_role(role);
    task->set_rank(cluster.tasks_size() - 1);
    task->set_address("10.0.0.4");
    task->set_port(2221 + cluster.tasks_size());
  }
  const Assignment second = TasksOfSecondNode();
  for (const Task& task : second.tasks()) *cluster.add_tasks() = task;
  return cluster;
}

JobSpec TensorflowSpec() {
  JobSpec spec = Spec();
  spec.mutable_agreement()->set_framework(FRAMEWORK_TENSORFLOW);
  return spec;
}

TEST(WorkerPlan, GivesEachTaskItsPlaceInTheCluster) {
  const auto plans =
      PlanWorkers(TensorflowSpec(), NodeWith({"0", "1"}, 3),
                  TasksOfSecondNode(), "", {}, "", ClusterOfBothNodes());
  ASSERT_TRUE(plans.ok()) << plans.status();
  ASSERT_THAT(*plans, SizeIs(3));
  const std::string cluster =
      R"({"cluster":{"ps":["10.0.0.4:2222","[fd00::2]:2222"],)"
      R"("worker":["10.0.0.4:2223","[fd00::2]:2223","[fd00::2]:2224"]},)";
  EXPECT_EQ((*plans)[0].environment.at("TF_CONFIG"),
            cluster + R"("task":{"type":"ps","index":1},)"
                      R"("environment":"cloud"})");
  EXPECT_EQ((*plans)[2].environment.at("TF_CONFIG"),
            cluster + R"("task":{"type":"worker","index":2},)"
                      R"("environment":"cloud"})");
  EXPECT_EQ((*plans)[2].environment.at("RANK"), "4");
  EXPECT_EQ((*plans)[2].environment.at("LOCAL_WORLD_SIZE"), "3");
}

TEST(WorkerPlan, SharesTheGpusOutAmongTheWorkersOfTensorflow) {
  const auto visible = [](const JobSpec& spec) {
    std::vector<std::string> seen;
    const auto plans =
        PlanWorkers(spec, NodeWith({"0", "1", "2", "3"}, 3),
                    TasksOfSecondNode(), "", {}, "", ClusterOfBothNodes());
    for (const WorkerPlan& plan : *plans) {
      const auto it = plan.environment.find("CUDA_VISIBLE_DEVICES");
      seen.push_back(it == plan.environment.end() ? "-" : it->second);
    }
    return seen;
  };
  EXPECT_THAT(visible(TensorflowSpec()), ElementsAre("", "0,1", "2,3"));
  JobSpec unbound = TensorflowSpec();
  unbound.set_gpu_binding(GPU_BINDING_NONE);
  EXPECT_THAT(visible(unbound), ElementsAre("", "-", "-"));
}

TEST(WorkerPlan, RefusesFewerGpusThanWorkersOfTensorflow) {
  EXPECT_TRUE(absl::IsFailedPrecondition(
      ShareOfGpus(TensorflowSpec(), NodeWith({"0"}, 3), TasksOfSecondNode())
          .status()));
}

TEST(WorkerPlan, DefaultsToNcclWithGpusAndToGlooWithout) {
  const JobSpec spec = Spec();
  EXPECT_EQ(BackendOf(spec, NodeWith({"0"}, 1)), "nccl");
  EXPECT_EQ(BackendOf(spec, NodeWith({}, 1)), "gloo");
  Node pretended = NodeWith({"0"}, 1);
  pretended.pretend_gpus = true;
  EXPECT_EQ(BackendOf(spec, pretended), "gloo");
  JobSpec asked = Spec();
  asked.mutable_agreement()->set_backend("nccl");
  EXPECT_EQ(BackendOf(asked, pretended), "nccl");
}

TEST(WorkerPlan, ListsAllNodesAndTheDirectories) {
  JobSpec spec = Spec();
  spec.set_shared_dir("/shared");
  Variable* input = spec.add_inputs();
  input->set_name("DATA");
  input->set_value("/data");
  spec.mutable_agreement()->add_command("$AZ_BATCHAI_INPUT_DATA/train");
  Assignment assignment = SecondOfTwo();
  for (const auto& [address, workers] :
       {std::pair<const char*, uint32_t>{"10.0.0.1", 3}, {"10.0.0.2", 2}}) {
    Peer* peer = assignment.add_peers();
    peer->set_address(address);
    peer->set_workers(workers);
  }
  const auto plans =
      PlanWorkers(spec, NodeWith({}, 2), assignment, "eth0", {}, "/tmp/run-1");
  ASSERT_TRUE(plans.ok()) << plans.status();
  const env::Variables& variables = (*plans)[0].environment;
  EXPECT_EQ(variables.at("AZ_BATCH_HOST_LIST"), "10.0.0.1,10.0.0.2");
  EXPECT_EQ(variables.at("CCP_NODES"), "2 10.0.0.1 3 10.0.0.2 2");
  EXPECT_EQ(variables.at("AZ_BATCHAI_MPI_HOST_FILE"), "/tmp/run-1/hostfile");
  EXPECT_EQ(variables.at("AZ_BATCHAI_JOB_TEMP"), "/tmp/run-1");
  EXPECT_EQ(variables.at("AZ_BATCHAI_SHARED_JOB_TEMP"), "/shared");
  EXPECT_EQ((*plans)[0].argv.back(), "/data/train");
}

TEST(Node, CountsPretendedGpusAsWorkers) {
  JobSpec spec = Spec();
  spec.set_workers_per_node(WORKERS_PER_NODE_AUTO);
  spec.set_pretend_gpus(3);
  const auto node = LookAtNode(spec, {});
  ASSERT_TRUE(node.ok()) << node.status();
  EXPECT_EQ(node->workers, 3u);
  EXPECT_EQ(node->incarnation.size(), 16u);
}

TEST(Node, RefusesToBindMoreWorkersThanThereAreGpus) {
  JobSpec spec = Spec();
  spec.set_workers_per_node(WORKERS_PER_NODE_COUNT);
  spec.set_worker_count(4);
  spec.set_gpu_binding(GPU_BINDING_ONE);
  spec.set_pretend_gpus(2);
  const auto node = LookAtNode(spec, {});
  EXPECT_TRUE(absl::IsInvalidArgument(node.status()));
  EXPECT_THAT(std::string(node.status().message()),
              HasSubstr("--gpu-binding one"));
}

TEST(Node, SaysWhyItCannotTakePart) {
  Node node = NodeWith({}, 1);
  EXPECT_EQ(MakeHello(Spec(), node, "").node().problem(), "");
  node.problem = "--input D=/d: gone";
  EXPECT_EQ(MakeHello(Spec(), node, "").node().problem(), "--input D=/d: gone");
}

TEST(Node, SaysAtWhichAddressItReachesTheCoordinator) {
  JobSpec spec = Spec();
  const Node node = NodeWith({}, 1);
  EXPECT_EQ(MakeHello(spec, node, "").node().address(), "127.0.0.1");
  EXPECT_EQ(MakeHello(spec, node, "127.4.5.6").node().address(), "127.4.5.6");
  spec.set_advertise("10.9.8.7");
  EXPECT_EQ(MakeHello(spec, node, "127.4.5.6").node().address(), "10.9.8.7");
}

}  // namespace
}  // namespace muster::launcher
