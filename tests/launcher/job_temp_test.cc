#include "launcher/job_temp.h"

#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/files.h"

namespace muster::launcher {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

const std::vector<env::JobNode> kNodes = {{"10.0.0.4", 2}, {"fd00::5", 1}};

TEST(JobTemp, HoldsTheHostFileAndGoesWithAllThatIsInIt) {
  const test::TempDir base;
  {
    const absl::StatusOr<JobTemp> temp =
        JobTemp::Make(base.path(), "muster-run-node0", kNodes);
    ASSERT_TRUE(temp.ok()) << temp.status();
    EXPECT_THAT(temp->path(), StartsWith(base.File("muster-run-node0-")));
    EXPECT_EQ(test::ReadFile(HostFileIn(temp->path())),
              "10.0.0.4 slots=2\nfd00::5 slots=1\n");
    struct stat found;
    ASSERT_EQ(stat(temp->path().c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0700u) << "others' eyes";
    ASSERT_EQ(mkdir((temp->path() + "/deep").c_str(), 0700), 0);
    test::WriteFile(temp->path() + "/deep/file", "x");
  }
  EXPECT_THAT(test::FilesBelow(base.path()), IsEmpty());
}

TEST(JobTemp, DoesNotFollowLinksWhenItGoes) {
  const test::TempDir base;
  const test::TempDir elsewhere;
  test::WriteFile(elsewhere.File("kept"), "x");
  {
    const absl::StatusOr<JobTemp> temp =
        JobTemp::Make(base.path(), "muster", kNodes);
    ASSERT_TRUE(temp.ok()) << temp.status();
    ASSERT_EQ(
        symlink(elsewhere.path().c_str(), (temp->path() + "/link").c_str()), 0);
  }
  EXPECT_TRUE(test::Exists(elsewhere.File("kept")));
}

TEST(JobTemp, TwoOfOneRunAreTwoDirectories) {
  const test::TempDir base;
  absl::StatusOr<JobTemp> first = JobTemp::Make(base.path(), "muster", kNodes);
  absl::StatusOr<JobTemp> second = JobTemp::Make(base.path(), "muster", kNodes);
  ASSERT_TRUE(first.ok() && second.ok());
  const std::string path = first->path();
  EXPECT_NE(path, second->path());
  // One that takes another's place removes its own first.
  *first = *std::move(second);
  EXPECT_FALSE(test::Exists(path));
  EXPECT_TRUE(test::Exists(first->path()));
}

TEST(JobTemp, SaysWhereItCouldNotBeMade) {
  const absl::Status status =
      JobTemp::Make("/no/such/place", "muster", kNodes).status();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(
      std::string(status.message()),
      ::testing::AllOf(HasSubstr("/no/such/place"), HasSubstr("TMPDIR")));
}

}  // namespace
}  // namespace muster::launcher
