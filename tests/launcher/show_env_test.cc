#include "launcher/show_env.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::launcher {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

JobSpec Spec(uint32_t nodes, uint32_t workers) {
  JobSpec spec;
  Agreement* agreement = spec.mutable_agreement();
  agreement->set_framework(FRAMEWORK_PYTORCH);
  agreement->set_init_method("tcp");
  agreement->set_min_nodes(nodes);
  agreement->set_max_nodes(nodes);
  spec.set_workers_per_node(WORKERS_PER_NODE_COUNT);
  spec.set_worker_count(workers);
  spec.set_gpu_binding(GPU_BINDING_NONE);
  spec.set_pretend_gpus(2);
  spec.set_host_name("here");
  return spec;
}

JobPlan MustPlan(const JobSpec& spec, const env::Variables& inherited = {}) {
  absl::StatusOr<JobPlan> plan = JobPlan::Make(spec, inherited);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return *std::move(plan);
}

std::string Text(const JobPlan& plan) {
  std::string text;
  const absl::Status status = ShowAsText(
      plan, {{"nnodes", "--nnodes"}},
      [&text](absl::string_view part) { absl::StrAppend(&text, part); });
  EXPECT_TRUE(status.ok()) << status;
  return text;
}

nlohmann::json AsJson(const JobPlan& plan) {
  std::string text;
  const absl::Status status = ShowAsJson(
      plan, {{"nnodes", "--nnodes"}},
      [&text](absl::string_view part) { absl::StrAppend(&text, part); });
  EXPECT_TRUE(status.ok()) << status;
  return nlohmann::json::parse(text);
}

TEST(ShowEnv, SaysOnceWhatSeveralRanksHaveAlike) {
  JobSpec spec = Spec(2, 2);
  for (const char* word : {"train", "--rank", "$RANK", "two words"}) {
    spec.mutable_agreement()->add_command(word);
  }
  const std::string text = Text(MustPlan(spec));
  EXPECT_THAT(
      text, AllOf(HasSubstr("2 nodes, 4 ranks, framework pytorch"),
                  HasSubstr("  nnodes           from --nnodes\n"),
                  HasSubstr("with 2 GPUs (--gpus-per-node)"),
                  HasSubstr("  <node0>, ...   the addresses of the nodes\n")));
  const size_t every = text.find("\nevery rank\n");
  const size_t node = text.find("\nnode 1, ranks 2-3\n");
  const size_t rank = text.find("\nrank 3 (node 1, local rank 1)\n");
  ASSERT_TRUE(every < node && node < rank && rank != std::string::npos) << text;
  EXPECT_THAT(text.substr(every, text.find("\nnode 0") - every),
              AllOf(HasSubstr("  ranks      WORLD_SIZE=4\n"),
                    HasSubstr("  ranks      MASTER_ADDR=<node0>\n"),
                    HasSubstr("AZ_BATCH_HOST_LIST=<node0>,<node1>\n"),
                    Not(HasSubstr(" RANK="))));
  EXPECT_THAT(text.substr(node, text.find("\nrank 2") - node),
              AllOf(HasSubstr("  ranks      NODE_RANK=1\n"),
                    Not(HasSubstr("WORLD_SIZE"))));
  EXPECT_THAT(text.substr(rank),
              AllOf(HasSubstr("  ranks      RANK=3\n"),
                    HasSubstr("  command    train --rank 3 'two words'\n"),
                    Not(HasSubstr(" NODE_RANK="))));
}

TEST(ShowEnv, AnOnlyRankIsOneBlock) {
  const std::string text = Text(MustPlan(Spec(1, 1)));
  EXPECT_THAT(text,
              AllOf(HasSubstr("1 node, 1 rank, "),
                    HasSubstr("\nrank 0 (node 0, local rank 0)\n"),
                    HasSubstr("MASTER_ADDR=127.0.0.1\n"),
                    HasSubstr("MASTER_PORT=<port>\n"),
                    Not(HasSubstr("every rank")), Not(HasSubstr("<node0>"))));
}

TEST(ShowEnv, LeavesOutWhatIsInheritedUnlessItIsASettingThatMusterKnows) {
  const JobPlan plan = MustPlan(Spec(1, 2), {{"HOME", "/root"},
                                             {"OMP_NUM_THREADS", "7"},
                                             {"MUSTER_TOKEN", "s3cret"}});
  const std::string text = Text(plan);
  EXPECT_THAT(text, AllOf(HasSubstr("  inherited  OMP_NUM_THREADS=7\n"),
                          Not(HasSubstr("HOME")), Not(HasSubstr("s3cret"))));
  EXPECT_FALSE(AsJson(plan)["ranks"][0]["variables"].contains("HOME"));
}

TEST(ShowEnv, JsonHoldsEveryRankWithItsSources) {
  JobSpec spec = Spec(3, 2);
  spec.set_gpu_binding(GPU_BINDING_ONE);
  spec.set_run_id("r1");
  Variable* variable = spec.add_worker_env();
  variable->set_name("BYTES");
  variable->set_value("\xff");
  spec.mutable_agreement()->add_command("$RANK");
  const nlohmann::json json = AsJson(MustPlan(spec));
  EXPECT_EQ(json["nodes"], 3);
  EXPECT_EQ(json["world_size"], 6);
  EXPECT_EQ(json["decided_by"]["nnodes"], "--nnodes");
  EXPECT_TRUE(json["placeholders"].contains("<node2>"));
  EXPECT_FALSE(json["placeholders"].contains("<run-id>"));
  ASSERT_EQ(json["ranks"].size(), 6u);
  for (int rank = 0; rank < 6; ++rank) {
    const nlohmann::json& shown = json["ranks"][rank];
    EXPECT_EQ(shown["rank"], rank);
    EXPECT_EQ(shown["node"], rank / 2);
    EXPECT_EQ(shown["command"][0], absl::StrCat(rank));
    EXPECT_EQ(shown["variables"]["RANK"]["value"], absl::StrCat(rank));
    EXPECT_EQ(shown["variables"]["RANK"]["source"], "ranks");
    EXPECT_EQ(shown["variables"]["CUDA_VISIBLE_DEVICES"]["value"],
              absl::StrCat(rank % 2));
    EXPECT_EQ(shown["variables"]["BYTES"]["value"], "\xef\xbf\xbd");
    EXPECT_EQ(shown["variables"]["AZ_BATCHAI_PYTORCH_BACKEND"]["value"],
              "nccl");
  }
}

TEST(ShowEnv, UsesTheAddressOfThisNodeWhereTheUserSaysIt) {
  JobSpec spec = Spec(2, 1);
  spec.set_node_rank(0);
  spec.set_advertise("10.0.0.4");
  EXPECT_THAT(Text(MustPlan(spec)),
              AllOf(HasSubstr("MASTER_ADDR=10.0.0.4\n"),
                    HasSubstr("AZ_BATCH_HOST_LIST=10.0.0.4,<node1>\n"),
                    HasSubstr("  <node1>        the address of node 1\n")));
}

TEST(ShowEnv, SaysThatAnElasticJobMayBeSmaller) {
  JobSpec spec = Spec(4, 1);
  spec.mutable_agreement()->set_min_nodes(2);
  EXPECT_THAT(Text(MustPlan(spec)),
              HasSubstr("with 4 nodes; it may start with 2\n"));
}

TEST(ShowEnv, NothingOfAValueActsOnTheTerminal) {
  JobSpec spec = Spec(1, 1);
  Variable* variable = spec.add_worker_env();
  variable->set_name("E\x1b");
  variable->set_value("\x1b[2J\nRANK=9");
  EXPECT_THAT(
      Text(MustPlan(spec)),
      AllOf(HasSubstr("E\\x1b=\\x1b[2J\\x0aRANK=9\n"), Not(HasSubstr("\x1b"))));
}

TEST(JobPlan, RefusesWhatIsNotThereOrTooLarge) {
  JobSpec no_gpus = Spec(1, 4);
  no_gpus.set_gpu_binding(GPU_BINDING_ONE);
  EXPECT_THAT(std::string(JobPlan::Make(no_gpus, {}).status().message()),
              HasSubstr("--gpu-binding one: here has 2"));
  const absl::Status large = JobPlan::Make(Spec(4097, 1), {}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(large));
  EXPECT_THAT(std::string(large.message()), HasSubstr("4097 ranks"));
}

}  // namespace
}  // namespace muster::launcher
