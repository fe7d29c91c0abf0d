#include <algorithm>
#include <filesystem>
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "tests/launcher/streams/dead_spool.h"

namespace muster::streams {
namespace {

namespace fs = std::filesystem;

class SpoolDamageTest : public DeadSpoolTest {};

// Whatever is done to the files: reading ends, no byte is altered, and what is
// not there is a gap, up to the last record that can be read.
TEST_F(SpoolDamageTest, NeverAltersAByteHoweverTheFilesAreDamaged) {
  for (uint32_t seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto below = [&](size_t n) { return random() % n; };
    if (seed % 10 == 0) WriteSpool(seed % 20 == 0, seed);
    const std::string good = base_ / "good";
    fs::remove_all(good);
    fs::copy(path_, good);
    bool newest = false;
    for (size_t i = 1 + below(3); i > 0; --i) {
      const int number = static_cast<int>(1 + below(5));
      newest = newest || number == 5;
      Change(File(number), [&](std::string& bytes) {
        if (bytes.empty()) return;
        const size_t at = below(8) == 0 ? below(40) : below(bytes.size());
        const size_t length = std::min(
            bytes.size() - std::min(at, bytes.size()), size_t{1} << below(17));
        switch (below(6)) {
          case 0:
            bytes[std::min(at, bytes.size() - 1)] ^=
                static_cast<char>(1 << below(8));
            break;
          case 1:
            bytes.resize(std::min(at, bytes.size()));
            break;
          case 2:
            bytes.replace(std::min(at, bytes.size()), length,
                          std::string(length, '\0'));
            break;
          case 3:
            bytes.replace(std::min(at, bytes.size()), length,
                          Noise(length, seed));
            break;
          case 4:
            bytes.erase(std::min(at, bytes.size()), length);
            break;
          case 5:
            bytes.insert(std::min(at, bytes.size()),
                         bytes.substr(below(bytes.size()), length));
            break;
        }
      });
    }
    Deliver();
    for (const auto& [stream, bytes] : written_) {
      const Stored stored = ledger_.Get(stream);
      if (newest) {
        EXPECT_EQ(ComparePrefix(bytes, stored), "");
      } else {
        // The last segment says how long the streams are.
        EXPECT_EQ(Compare(bytes, stored), "");
      }
      EXPECT_NE(stored.how, STREAM_END_UNSPECIFIED);
    }
    fs::remove_all(path_);
    fs::copy(good, path_);
  }
}

}  // namespace
}  // namespace muster::streams
