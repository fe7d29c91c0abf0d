// The proxy as a program, for what stands on another host than the test.
//
//   fault_proxy HOST PORT [LISTEN_HOST]
//
// Says "port N", then obeys lines from standard input and answers each with
// "ok" or, for count, with the counts. The end of standard input is its end.
//
//   delay MS | slice BYTES | stall up|down|both|none
//   cut reset|close | cut-after BYTES up|down reset|close
//   refuse | accept | count
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>

#include "tests/support/fault_proxy/fault_proxy.h"

namespace {

using muster::test::Cut;
using muster::test::Direction;
using muster::test::FaultProxy;
using muster::test::Faults;

Cut HowOf(const std::string& word) {
  return word == "close" ? Cut::kClose : Cut::kReset;
}

std::string Counts(const FaultProxy& proxy) {
  const muster::test::ProxyCounts counts = proxy.counts();
  std::ostringstream line;
  line << "up " << counts.up << " down " << counts.down << " connections "
       << counts.connections << " open " << counts.open;
  return line.str();
}

std::string Obey(std::istringstream words, Faults* faults, FaultProxy* proxy) {
  std::string verb;
  std::string word;
  std::string how;
  uint64_t number = 0;
  words >> verb;
  if (verb == "delay" && words >> number) {
    faults->delay = absl::Milliseconds(number);
    proxy->Set(*faults);
  } else if (verb == "slice" && words >> number) {
    faults->slice = number;
    proxy->Set(*faults);
  } else if (verb == "stall" && words >> word) {
    faults->stalls_up = word == "up" || word == "both";
    faults->stalls_down = word == "down" || word == "both";
    proxy->Set(*faults);
  } else if (verb == "cut" && words >> how) {
    proxy->CutAll(HowOf(how));
  } else if (verb == "cut-after" && words >> number >> word >> how) {
    proxy->CutAfter(number, word == "up" ? Direction::kUp : Direction::kDown,
                    HowOf(how));
  } else if (verb == "refuse" || verb == "accept") {
    proxy->Refuse(verb == "refuse");
  } else if (verb == "count") {
    return Counts(*proxy);
  } else {
    return "unknown";
  }
  return "ok";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) {
    std::cerr << "fault_proxy HOST PORT [LISTEN_HOST]\n";
    return 64;
  }
  FaultProxy proxy({.host = argv[1],
                    .port = static_cast<uint16_t>(std::atoi(argv[2])),
                    .listen_host = argc == 4 ? argv[3] : "127.0.0.1"});
  std::cout << "port " << proxy.port() << std::endl;
  Faults faults;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::cout << Obey(std::istringstream(line), &faults, &proxy) << std::endl;
  }
  return 0;
}
