#include "launcher/fabric/probe_messages.h"

#include "gtest/gtest.h"
#include "proto/fabric.pb.h"

namespace muster::fabric {
namespace {

ProbeEvent EventOf(const std::string& key, size_t size = 3) {
  ProbeEvent event;
  event.mutable_store()->set_key(key);
  event.mutable_store()->set_put(std::string(size, 'v'));
  return event;
}

void Add(const std::string& bytes, ProbeMessageReader* reader) {
  reader->Add(bytes.data(), bytes.size());
}

TEST(ProbeMessageReader, GivesWhatWasWrittenInItsOrder) {
  ProbeMessageReader reader;
  Add(EncodeProbeMessage(EventOf("a")) + EncodeProbeMessage(EventOf("b", 9000)),
      &reader);
  ProbeEvent event;
  ASSERT_TRUE(reader.Next(&event));
  EXPECT_EQ(event.store().key(), "a");
  ASSERT_TRUE(reader.Next(&event));
  EXPECT_EQ(event.store().key(), "b");
  EXPECT_EQ(event.store().put().size(), 9000);
  EXPECT_FALSE(reader.Next(&event));
  EXPECT_FALSE(reader.broken());
}

TEST(ProbeMessageReader, WaitsForTheRestOfAMessageThatComesByteByByte) {
  const std::string bytes = EncodeProbeMessage(EventOf("key", 300));
  ProbeMessageReader reader;
  ProbeEvent event;
  for (size_t i = 0; i + 1 < bytes.size(); ++i) {
    reader.Add(&bytes[i], 1);
    ASSERT_FALSE(reader.Next(&event)) << i;
    ASSERT_FALSE(reader.broken()) << i;
  }
  reader.Add(&bytes.back(), 1);
  ASSERT_TRUE(reader.Next(&event));
  EXPECT_EQ(event.store().key(), "key");
}

TEST(ProbeMessageReader, AnEmptyMessageIsOne) {
  ProbeMessageReader reader;
  Add(EncodeProbeMessage(ProbeEvent()), &reader);
  ProbeEvent event = EventOf("old");
  ASSERT_TRUE(reader.Next(&event));
  EXPECT_FALSE(event.has_store());
}

TEST(ProbeMessageReader, TakesTheLongestMessageAndNoLongerOne) {
  const size_t frame =
      EventOf("k", kLongestProbeMessage).ByteSizeLong() - kLongestProbeMessage;
  for (const size_t beyond : {0, 1}) {
    ProbeMessageReader reader;
    Add(EncodeProbeMessage(EventOf("k", kLongestProbeMessage - frame + beyond)),
        &reader);
    ProbeEvent event;
    EXPECT_EQ(reader.Next(&event), beyond == 0);
    EXPECT_EQ(reader.broken(), beyond == 1);
  }
}

TEST(ProbeMessageReader, WhatIsNoMessageBreaksItForEver) {
  for (const std::string& garbage :
       {std::string("\x03\xff\xff\xff", 4), std::string(8, '\xff'),
        std::string(100, 'T')}) {
    ProbeMessageReader reader;
    Add(garbage, &reader);
    ProbeEvent event;
    EXPECT_FALSE(reader.Next(&event));
    EXPECT_TRUE(reader.broken()) << garbage;
    Add(EncodeProbeMessage(EventOf("a")), &reader);
    EXPECT_FALSE(reader.Next(&event));
  }
}

}  // namespace
}  // namespace muster::fabric
