// How a probe begins and ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "launcher/fabric/probe_messages.h"
#include "tests/launcher/fabric/gloo/probes.h"

namespace muster::fabric {
namespace {

using test::Code;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Life, AProbeSaysThatItIsReady) {
  Probes probes(1);
  ASSERT_TRUE(probes.ready(0).has_value());
  EXPECT_THAT(probes.ready(0)->backend(), StartsWith("Gloo 0."));
}

TEST(Life, AnAddressOfNobodyBreaksIt) {
  for (const char* address : {"192.0.2.77", "localhost", "fe80::77%nothing"}) {
    // Gloo does not free what it looked up.
    Probes probes(1, {.address = address, .environment = [](int) {
                        return std::map<std::string, std::string>{
                            {"LSAN_OPTIONS", "detect_leaks=0"}};
                      }});
    EXPECT_EQ(probes.End(0), Code(69));
    EXPECT_FALSE(probes.ready(0).has_value());
    ASSERT_TRUE(probes.broken(0).has_value());
    EXPECT_EQ(probes.broken(0)->kind(), FABRIC_FAILURE_ERROR);
    EXPECT_EQ(probes.broken(0)->stage(), FABRIC_STAGE_START);
    EXPECT_THAT(probes.broken(0)->message(), HasSubstr(address));
    EXPECT_THAT(probes.broken(0)->message(), HasSubstr("--advertise"));
  }
}

TEST(Life, TheEndOfItsInputIsItsEnd) {
  Probes probes(4);
  probes.CloseInput(0);
  EXPECT_EQ(probes.End(0), Code(0));

  FabricGroup group = probes.Group(1, {1, 2});
  group.set_measure_ms(15'000);
  probes.Start(group);
  ASSERT_TRUE(probes.Reach(group, FABRIC_STAGE_RUN));
  probes.CloseInput(1);
  EXPECT_EQ(probes.End(1), Code(0));

  group = probes.Group(2, {3, 0});
  probes.Start(group, {0});
  probes.CloseInput(3);
  EXPECT_EQ(probes.End(3), Code(0));
}

TEST(Life, GarbageIsItsEnd) {
  for (const std::string& garbage :
       {std::string(64, '\xff'),
        std::string("GET / HTTP/1.1\r\n\r\n") + std::string(100, 'x'),
        std::string("\x02\xff\xff", 3)}) {
    Probes probes(1);
    probes.Write(0, garbage);
    EXPECT_EQ(probes.End(0), Code(65));
  }
}

TEST(Life, ACommandMayComeInPieces) {
  Probes probes(1);
  const FabricGroup group = probes.Group(1);
  ProbeCommand command;
  *command.mutable_task()->mutable_group() = group;
  for (const char byte : EncodeProbeMessage(command)) {
    probes.Write(0, std::string(1, byte));
  }
  EXPECT_TRUE(probes.Result(group, 0).has_measured());
}

TEST(Life, ATaskThatMakesNoSenseFails) {
  Probes probes(2);
  FabricGroup group = probes.Group(1, {0});
  group.clear_members();
  ProbeCommand command;
  *command.mutable_task()->mutable_group() = group;
  probes.Write(0, EncodeProbeMessage(command));
  EXPECT_EQ(probes.Result(group, 0).failed().kind(), FABRIC_FAILURE_ERROR);

  group = probes.Group(2, {0, 1});
  *command.mutable_task()->mutable_group() = group;
  command.mutable_task()->set_rank(2);
  probes.Write(0, EncodeProbeMessage(command));
  EXPECT_THAT(probes.Result(group, 2).failed().message(), HasSubstr("rank"));

  group = probes.Group(3, {0, 1});
  group.set_run_ms(0);
  probes.Start(group, {0});
  EXPECT_THAT(probes.Result(group, 0).failed().message(),
              HasSubstr("deadline"));

  group = probes.Group(4);
  probes.Start(group);
  EXPECT_TRUE(probes.Result(group, 0).has_measured());
}

TEST(Life, MemoryThatIsNotThereFailsTheTask) {
  Probes probes(1);
  FabricGroup group = probes.Group(1);
  group.set_bytes(uint64_t{1} << 63);
  probes.Start(group);
  const SlotResult result = probes.Result(group, 0);
  EXPECT_EQ(result.failed().kind(), FABRIC_FAILURE_ERROR);
  EXPECT_EQ(result.failed().stage(), FABRIC_STAGE_MEMORY);
  EXPECT_THAT(result.failed().message(), HasSubstr("9223372036854775808"));
}

TEST(Life, ANewTaskEndsTheOneAtWork) {
  Probes probes(2);
  FabricGroup first = probes.Group(1);
  first.set_measure_ms(15'000);
  probes.Start(first);
  ASSERT_TRUE(probes.Reach(first, FABRIC_STAGE_RUN));
  const FabricGroup second = probes.Group(2);
  probes.Start(second);
  for (int rank = 0; rank < 2; ++rank) {
    EXPECT_TRUE(probes.Result(first, rank).has_failed());
    EXPECT_TRUE(probes.Result(second, rank).has_measured());
  }
}

}  // namespace
}  // namespace muster::fabric
