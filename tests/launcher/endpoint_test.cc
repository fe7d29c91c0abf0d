#include "launcher/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::launcher {
namespace {

using ::testing::HasSubstr;

struct Good {
  const char* text;
  const char* host;
  uint32_t port;
};

TEST(Endpoint, ReadsEveryFormAndItsOwnWriting) {
  for (const Good& good :
       {Good{"node1", "node1", 29400},
        Good{"node_1.example.com:1", "node_1.example.com", 1},
        Good{"10.0.0.1:65535", "10.0.0.1", 65535},
        Good{"fe80::1", "fe80::1", 29400}, Good{"[fe80::1]", "fe80::1", 29400},
        Good{"[::1]:400", "::1", 400}}) {
    const auto endpoint = ParseEndpoint(good.text, 29400);
    ASSERT_TRUE(endpoint.ok()) << good.text << " " << endpoint.status();
    EXPECT_EQ(endpoint->host, good.host);
    EXPECT_EQ(endpoint->port, good.port);
    const auto again = ParseEndpoint(FormatEndpoint(*endpoint), 1);
    ASSERT_TRUE(again.ok()) << FormatEndpoint(*endpoint);
    EXPECT_EQ(again->host, good.host);
    EXPECT_EQ(again->port, good.port);
  }
}

struct Bad {
  std::string text;
  const char* what;
};

TEST(Endpoint, SaysWhatIsWrongWithEveryOther) {
  for (const Bad& bad :
       {Bad{"", "the host is empty"}, Bad{":29400", "the host is empty"},
        Bad{"node1:", "the port must be 1 to 65535"},
        Bad{"node1:x", "the port must be 1 to 65535"},
        Bad{"node1:+80", "the port must be 1 to 65535"},
        Bad{"node1:65536", "the port must be 1 to 65535"},
        Bad{"node1:99999999999", "the port must be 1 to 65535"},
        Bad{"node1:0", "which the other nodes could not know"},
        Bad{"[::1]:0", "which the other nodes could not know"},
        Bad{"[::1", "the ] is missing"}, Bad{"[::1]80", "no : after the ]"},
        Bad{"[node1]:80", "no IPv6 address in the brackets"},
        Bad{"fe80::1::2", "no IPv6 address, and more than one :"},
        Bad{"tcp://node1:80", "written like a URL"},
        Bad{"10.0.0.256", "looks like an IPv4 address, but is none"},
        Bad{"no de", "a character that no host name has"},
        Bad{std::string(254, 'a'), "longer than 253"}}) {
    const auto endpoint = ParseEndpoint(bad.text, 29400);
    ASSERT_FALSE(endpoint.ok()) << bad.text;
    EXPECT_THAT(endpoint.status().message(), HasSubstr(bad.what)) << bad.text;
  }
}

TEST(Endpoint, TellsAddressesFromNames) {
  EXPECT_TRUE(IsNumericAddress("10.0.0.1"));
  EXPECT_TRUE(IsNumericAddress("fe80::1"));
  EXPECT_FALSE(IsNumericAddress("node1"));
  EXPECT_FALSE(IsNumericAddress("[fe80::1]"));
  EXPECT_FALSE(IsNumericAddress("10.0.0.1:80"));
}

TEST(Endpoint, OnlyThisHostItselfIsLoopback) {
  for (const char* host : {"127.0.0.1", "127.8.9.1", "::1", "localhost"}) {
    EXPECT_TRUE(IsLoopback(host)) << host;
  }
  for (const char* host :
       {"10.0.0.1", "::", "127.example", "node0", "0.0.0.0"}) {
    EXPECT_FALSE(IsLoopback(host)) << host;
  }
}

}  // namespace
}  // namespace muster::launcher
