// A small MPI program, for mpirun to start: every rank gives a vector to an
// all-reduce and checks each number of the sum; then the last rank broadcasts
// the sum of all ranks, which must be what everyone has. It proves that the
// ranks are one MPI job (started apart, each would be alone in a world of 1)
// and that Open MPI's variables in the environment say the same as MPI.
//
//   allreduce [--fail-rank R --how HOW]
//
//   --fail-rank R  after that, rank R dies and the others wait for it; HOW is
//                  segv, kill, abort (SIGABRT), exit:N (without MPI_Finalize)
//                  or mpi-abort:N
//
// Each rank prints "rank 0 of 4 on HOST: all-reduce of 4 ranks is right". What
// is wrong is said on standard error, with exit code 1; 64 is for wrong usage.
#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#define OMPI_SKIP_MPICXX  // only the interface of C
#include <mpi.h>

namespace {

constexpr int kNumbers = 10000;

struct Options {
  int fail_rank = -1;
  std::string how = "exit:1";
};

[[noreturn]] void WrongUsage() {
  std::fprintf(stderr,
               "usage: allreduce [--fail-rank R "
               "--how segv|kill|abort|exit:N|mpi-abort:N]\n");
  std::exit(64);
}

Options Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--fail-rank" && i + 1 < argc) {
      options.fail_rank = std::atoi(argv[++i]);
    } else if (flag == "--how" && i + 1 < argc) {
      options.how = argv[++i];
    } else {
      WrongUsage();
    }
  }
  return options;
}

[[noreturn]] void Wrong(const std::string& what) {
  std::fprintf(stderr, "allreduce: %s\n", what.c_str());
  std::fflush(nullptr);
  MPI_Abort(MPI_COMM_WORLD, 1);
  std::abort();
}

void CheckVariable(const char* name, int expected) {
  const char* value = getenv(name);
  if (value == nullptr) Wrong(std::string(name) + " is not set: no mpirun?");
  if (std::to_string(expected) != value) {
    Wrong(std::string(name) + " is " + value + " but MPI says " +
          std::to_string(expected));
  }
}

// Number i of rank r is (r + 1) * (i + 1): the sum tells that every rank took
// part, and exactly once.
std::vector<int64_t> CheckedAllReduce(int rank, int size) {
  std::vector<int64_t> mine(kNumbers), sum(kNumbers);
  for (int i = 0; i < kNumbers; ++i) mine[i] = int64_t{rank + 1} * (i + 1);
  MPI_Allreduce(mine.data(), sum.data(), kNumbers, MPI_INT64_T, MPI_SUM,
                MPI_COMM_WORLD);
  for (int i = 0; i < kNumbers; ++i) {
    const int64_t expected = int64_t{size} * (size + 1) / 2 * (i + 1);
    if (sum[i] != expected) {
      Wrong("number " + std::to_string(i) + " of the all-reduce is " +
            std::to_string(sum[i]) + " and not " + std::to_string(expected));
    }
  }
  return sum;
}

void CheckedBroadcast(int rank, int size, const std::vector<int64_t>& sum) {
  std::vector<int64_t> heard(kNumbers);
  if (rank == size - 1) heard = sum;
  MPI_Bcast(heard.data(), kNumbers, MPI_INT64_T, size - 1, MPI_COMM_WORLD);
  if (heard != sum) Wrong("the broadcast brought something else");
}

// Which ranks share memory is Open MPI's own knowledge of the nodes.
void CheckNeighbours() {
  MPI_Comm node;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL,
                      &node);
  int rank = 0, size = 0;
  MPI_Comm_rank(node, &rank);
  MPI_Comm_size(node, &size);
  CheckVariable("OMPI_COMM_WORLD_LOCAL_RANK", rank);
  CheckVariable("OMPI_COMM_WORLD_LOCAL_SIZE", size);
  MPI_Comm_free(&node);
}

void Fail(const std::string& how) {
  const size_t colon = how.find(':');
  const std::string kind = how.substr(0, colon);
  const int code =
      colon == std::string::npos ? 1 : std::atoi(how.c_str() + colon + 1);
  if (kind == "segv") raise(SIGSEGV);
  if (kind == "kill") raise(SIGKILL);
  if (kind == "abort") std::abort();
  if (kind == "exit") _exit(code);
  if (kind == "mpi-abort") MPI_Abort(MPI_COMM_WORLD, code);
  WrongUsage();
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = Parse(argc, argv);
  MPI_Init(&argc, &argv);
  int rank = 0, size = 0, length = 0;
  char host[MPI_MAX_PROCESSOR_NAME];
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Get_processor_name(host, &length);
  CheckVariable("OMPI_COMM_WORLD_RANK", rank);
  CheckVariable("OMPI_COMM_WORLD_SIZE", size);

  CheckNeighbours();
  CheckedBroadcast(rank, size, CheckedAllReduce(rank, size));
  std::printf("rank %d of %d on %s: all-reduce of %d ranks is right\n", rank,
              size, host, size);
  std::fflush(stdout);

  if (rank == options.fail_rank) Fail(options.how);
  MPI_Barrier(MPI_COMM_WORLD);  // where the others wait for one that fails
  MPI_Finalize();
  return 0;
}
