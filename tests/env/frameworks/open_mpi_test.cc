#include "env/frameworks/open_mpi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/env/frameworks/placements.h"

namespace muster::env {
namespace {

TEST(OpenMpiNames, TheNodeRankIsTheRankOnTheNode) {
  EXPECT_EQ(OpenMpiNames(TwoByTwo(1, 0)),
            (Variables{{"OMPI_COMM_WORLD_LOCAL_RANK", "0"},
                       {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                       {"OMPI_COMM_WORLD_NODE_RANK", "0"},
                       {"OMPI_COMM_WORLD_RANK", "2"},
                       {"OMPI_COMM_WORLD_SIZE", "4"}}));
}

TEST(EraseMpiProcess, LeavesNothingOfTheOuterJobButItsSettings) {
  // As mpirun of Open MPI 4.1 gives them to its processes.
  Variables inherited = {{"OMPI_COMM_WORLD_RANK", "3"},
                         {"OMPI_COMMAND", "muster"},
                         {"OMPI_MCA_ess", "^singleton"},
                         {"OMPI_MCA_ess_base_vpid", "0"},
                         {"OMPI_MCA_orte_hnp_uri", "1.0;tcp://10.0.0.4:1"},
                         {"OMPI_MCA_pmix", "^s1,s2"},
                         {"OMPI_UNIVERSE_SIZE", "2"},
                         {"PMIX_NAMESPACE", "1"},
                         {"PMIX_RANK", "3"},
                         {"PMIX_SERVER_URI41", "1.0;tcp4://127.0.0.1:2"}};
  const Variables settings = {{"HOME", "/root"},
                              {"OMPI_MCA_btl", "tcp,self"},
                              {"PMIX_MCA_gds", "hash"}};
  inherited.insert(settings.begin(), settings.end());
  EraseMpiProcess(&inherited);
  EXPECT_EQ(inherited, settings);
}

TEST(EraseMpiProcess, TakesSettingsForSettingsOutsideOfAnMpiJob) {
  const Variables settings = {{"OMPI_MCA_orte_tmpdir_base", "/scratch"},
                              {"OMPI_MCA_pmix", "ext3x"},
                              {"PMIX_MCA_gds", "hash"}};
  Variables inherited = settings;
  EraseMpiProcess(&inherited);
  EXPECT_EQ(inherited, settings);
}

TEST(EraseMpiProcess, TakesTheRanksOfEveryMpi) {
  Variables inherited = {{"MV2_COMM_WORLD_LOCAL_RANK", "1"},
                         {"OMPI_COMM_WORLD_SIZE", "2"},
                         {"PMI_RANK", "1"},
                         {"PMI_SIZE", "2"}};
  EraseMpiProcess(&inherited);
  EXPECT_EQ(inherited, Variables());
}

}  // namespace
}  // namespace muster::env
