// Gloo's own all-reduce, measured as Gloo's benchmark measures it, which Debian
// does not have: rendezvous through files of a shared directory, a ring, its
// own input and output, one reduction to warm up with which is compared, then
// rounds of reductions one after another until the median of the first fits so
// often into the time. Each rank prints, in seconds,
//
//   BYTES MINIMUM MEDIAN SAMPLES
//
//   gloo_bench RANK SIZE ADDRESS DIRECTORY BYTES SECONDS
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "gloo/allreduce.h"
#include "gloo/barrier.h"
#include "gloo/broadcast.h"
#include "gloo/math.h"
#include "gloo/rendezvous/context.h"
#include "gloo/rendezvous/file_store.h"
#include "gloo/transport/tcp/device.h"

namespace {

using Context = std::shared_ptr<gloo::rendezvous::Context>;
using Seconds = std::chrono::duration<double>;

constexpr int kWarmups = 5;

Context Connect(int rank, int size, const char* address,
                const char* directory) {
  gloo::rendezvous::FileStore store(directory);
  auto device = gloo::transport::tcp::CreateDevice(address);
  auto context = std::make_shared<gloo::rendezvous::Context>(rank, size);
  context->connectFullMesh(store, device);
  return context;
}

void Barrier(const Context& context) {
  gloo::BarrierOptions options(context);
  gloo::barrier(options);
}

// What rank 0 has.
int FromFirst(const Context& context, int value) {
  gloo::BroadcastOptions options(context);
  options.setOutput(&value, 1);
  options.setRoot(0);
  gloo::broadcast(options);
  return value;
}

std::vector<double> Sample(const Context& context, int count,
                           const gloo::AllreduceOptions& options) {
  std::vector<double> seconds;
  Barrier(context);
  for (int i = 0; i < count; ++i) {
    const auto start = std::chrono::steady_clock::now();
    gloo::allreduce(options);
    seconds.push_back(
        Seconds(std::chrono::steady_clock::now() - start).count());
  }
  Barrier(context);
  std::sort(seconds.begin(), seconds.end());
  return seconds;
}

// As Gloo's benchmark aligns them. Live as long as the process.
std::span<float> Floats(size_t count) {
  constexpr size_t kAlignment = 256;
  const size_t bytes = count * sizeof(float);
  void* memory = std::aligned_alloc(
      kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  return {static_cast<float*>(memory), count};
}

void Fill(std::span<float> input, const Context& context) {
  for (size_t i = 0; i < input.size(); ++i) {
    // Small enough for every sum to be exact.
    input[i] = static_cast<float>(i % 4096 * context->size + context->rank);
  }
}

bool IsSum(std::span<const float> output, const Context& context) {
  const int size = context->size;
  for (size_t i = 0; i < output.size(); ++i) {
    const auto sum =
        static_cast<float>(i % 4096 * size * size + size * (size - 1) / 2);
    if (output[i] != sum) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    fprintf(stderr,
            "usage: gloo_bench RANK SIZE ADDRESS DIRECTORY BYTES SECONDS\n");
    return 64;
  }
  const Context context =
      Connect(atoi(argv[1]), atoi(argv[2]), argv[3], argv[4]);
  const std::span<float> input =
      Floats(std::strtoull(argv[5], nullptr, 10) / sizeof(float));
  const std::span<float> output = Floats(input.size());
  Fill(input, context);
  gloo::AllreduceOptions options(context);
  options.setInput(input.data(), input.size());
  options.setOutput(output.data(), output.size());
  options.setAlgorithm(gloo::AllreduceOptions::Algorithm::RING);
  void (*sum)(void*, const void*, const void*, size_t) = &gloo::sum<float>;
  options.setReduceFunction(sum);

  gloo::allreduce(options);
  if (!IsSum(output, context)) {
    fprintf(stderr, "gloo_bench: the sum is wrong\n");
    return 1;
  }
  const std::vector<double> warm = Sample(context, kWarmups, options);
  const double wanted = strtod(argv[6], nullptr);
  const int count = FromFirst(
      context, std::max(1, static_cast<int>(wanted / warm[warm.size() / 2])));
  const std::vector<double> seconds = Sample(context, count, options);
  printf("%zu %.9f %.9f %zu\n", input.size() * sizeof(float), seconds[0],
         seconds[seconds.size() / 2], seconds.size());
  return 0;
}
