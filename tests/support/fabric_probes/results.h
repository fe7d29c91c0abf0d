// What a test expects of a SlotResult.
#ifndef MUSTER_TESTS_SUPPORT_FABRIC_PROBES_RESULTS_H_
#define MUSTER_TESTS_SUPPORT_FABRIC_PROBES_RESULTS_H_

#include <cstdint>
#include <string>

#include "gmock/gmock.h"
#include "proto/fabric.pb.h"

namespace muster::test {

// All went well, with so many bytes.
inline auto Measured(uint64_t bytes) {
  return ::testing::AllOf(
      ::testing::ResultOf(
          "measured", [](const SlotResult& one) { return one.has_measured(); },
          true),
      ::testing::ResultOf(
          "bytes", [](const SlotResult& one) { return one.measured().bytes(); },
          bytes),
      ::testing::ResultOf(
          "best", [](const SlotResult& one) { return one.measured().best(); },
          ::testing::Gt(0)),
      ::testing::ResultOf(
          "samples",
          [](const SlotResult& one) { return one.measured().samples(); },
          ::testing::Ge(1)));
}

inline auto Fails(FabricFailureKind kind, FabricStage stage) {
  return ::testing::AllOf(
      ::testing::ResultOf(
          "kind",
          [](const SlotResult& one) {
            return FabricFailureKind_Name(one.failed().kind());
          },
          FabricFailureKind_Name(kind)),
      ::testing::ResultOf(
          "stage",
          [](const SlotResult& one) {
            return FabricStage_Name(one.failed().stage());
          },
          FabricStage_Name(stage)));
}

inline auto Says(const std::string& text) {
  return ::testing::ResultOf(
      "message", [](const SlotResult& one) { return one.failed().message(); },
      ::testing::HasSubstr(text));
}

inline auto HasCode(int code) {
  return ::testing::ResultOf(
      "code", [](const SlotResult& one) { return one.failed().code(); }, code);
}

inline auto IsWell() {
  return ::testing::ResultOf(
      "measured", [](const SlotResult& one) { return one.has_measured(); },
      true);
}

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_FABRIC_PROBES_RESULTS_H_
