// Whether files of a collector are what loggen wrote: stored and missing bytes
// are all there are, in order, nothing altered, nothing twice.
//
//   logverify --bytes 1G RUN_DIR/logs/*.stdout
//   logverify --digest FILE...
//
// Rank and descriptor come from a file's name, <rank>.stdout or <rank>.stderr,
// where no flag says them. Prints a line of JSON for each file. Exit code 0
// when all is as it should be, 1 when it is not, 64 for wrong flags.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/records/log_check.h"
#include "tests/support/records/log_pattern.h"

namespace {

using muster::test::CheckLog;
using muster::test::LogCheck;
using muster::test::LogPattern;

struct Settings {
  muster::test::LogKind kind = muster::test::LogKind::kRecords;
  std::optional<uint32_t> rank;
  std::optional<int> fd;
  size_t record_bytes = 100;
  std::optional<uint64_t> bytes;
  bool allow_gaps = false;
  bool digest = false;
  std::vector<std::string> files;
};

LogPattern PatternOf(const Settings& settings, const std::string& file) {
  const std::string name = std::filesystem::path(file).filename().string();
  LogPattern::Options options;
  options.kind = settings.kind;
  options.record_bytes = settings.record_bytes;
  options.rank = settings.rank.value_or(
      static_cast<uint32_t>(std::strtoul(name.c_str(), nullptr, 10)));
  options.fd = settings.fd.value_or(name.find(".stderr") != name.npos ? 2 : 1);
  return LogPattern(options);
}

bool Verify(const Settings& settings, const std::string& file) {
  LogCheck check = CheckLog(PatternOf(settings, file), file, settings.bytes);
  if (check.problem.empty() && check.missing > 0 && !settings.allow_gaps) {
    check.problem = "bytes are missing, though their gaps are told";
  }
  nlohmann::json line = {{"file", file},
                         {"stored", check.stored},
                         {"missing", check.missing},
                         {"gaps", check.gaps}};
  if (!check.end.empty()) line["end"] = check.end;
  if (!check.problem.empty()) line["problem"] = check.problem;
  std::cout << line.dump(-1, ' ', false,
                         nlohmann::json::error_handler_t::replace)
            << "\n";
  return check.problem.empty();
}

bool PrintDigest(const std::string& file) {
  const std::string digest = muster::test::DigestOfFile(file);
  std::cout << (digest.empty() ? "unreadable" : digest) << "  " << file << "\n";
  return !digest.empty();
}

int Main(int argc, char** argv) {
  Settings settings;
  std::string kind = "records";
  CLI::App app("Checks what loggen wrote");
  app.add_option("--kind", kind)
      ->check(CLI::IsMember(muster::test::LogKindNames()));
  app.add_option("--rank", settings.rank, "else from the file's name");
  app.add_option("--fd", settings.fd, "else from the file's name")
      ->check(CLI::Range(1, 2));
  app.add_option("--record", settings.record_bytes)
      ->check(CLI::Range(muster::test::kMinRecordBytes,
                         muster::test::kMaxRecordBytes));
  app.add_option("--bytes", settings.bytes,
                 "how many were written; without it a file may stop anywhere")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true));
  app.add_flag("--allow-gaps", settings.allow_gaps);
  app.add_flag("--digest", settings.digest, "print XXH3-128 and check nothing");
  app.add_option("files", settings.files)->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 64;
  }
  settings.kind = *muster::test::LogKindOf(kind);

  bool is_good = true;
  for (const std::string& file : settings.files) {
    is_good = (settings.digest ? PrintDigest(file) : Verify(settings, file)) &&
              is_good;
  }
  return is_good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Main(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "logverify: " << error.what() << "\n";
    return 70;
  }
}
