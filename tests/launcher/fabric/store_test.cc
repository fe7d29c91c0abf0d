#include "launcher/fabric/store.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::fabric {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

StoreRequest Put(uint32_t rank, const std::string& key,
                 const std::string& value) {
  StoreRequest request;
  request.set_group(5);
  request.set_rank(rank);
  request.set_key(key);
  request.set_put(value);
  return request;
}

StoreRequest Get(uint32_t rank, const std::string& key) {
  StoreRequest request;
  request.set_group(5);
  request.set_rank(rank);
  request.set_key(key);
  request.set_get(true);
  return request;
}

// "2 key=value".
std::vector<std::string> TextOf(const std::vector<StoreValue>& answers) {
  std::vector<std::string> text;
  for (const StoreValue& answer : answers) {
    EXPECT_EQ(answer.group(), 5);
    text.push_back(
        absl::StrCat(answer.rank(), " ", answer.key(), "=", answer.value()));
  }
  return text;
}

TEST(ValueStore, AnswersAtOnceWhatIsThere) {
  ValueStore store;
  EXPECT_THAT(store.Handle(Put(0, "id", "abc")), IsEmpty());
  EXPECT_THAT(TextOf(store.Handle(Get(3, "id"))), ElementsAre("3 id=abc"));
  EXPECT_THAT(TextOf(store.Handle(Get(3, "id"))), ElementsAre("3 id=abc"));
}

TEST(ValueStore, AnswersAllWhoWaitOnceItComes) {
  ValueStore store;
  EXPECT_THAT(store.Handle(Get(1, "id")), IsEmpty());
  EXPECT_THAT(store.Handle(Get(2, "id")), IsEmpty());
  EXPECT_THAT(store.Handle(Get(2, "other")), IsEmpty());
  EXPECT_THAT(TextOf(store.Handle(Put(0, "id", "abc"))),
              ElementsAre("1 id=abc", "2 id=abc"));
}

TEST(ValueStore, WhoAsksTwiceIsAnsweredOnce) {
  ValueStore store;
  store.Handle(Get(1, "id"));
  store.Handle(Get(1, "id"));
  EXPECT_THAT(store.Handle(Put(0, "id", "abc")), SizeIs(1));
}

TEST(ValueStore, TheFirstValueStays) {
  ValueStore store;
  store.Handle(Put(0, "id", "first"));
  EXPECT_THAT(store.Handle(Put(1, "id", "second")), IsEmpty());
  EXPECT_THAT(TextOf(store.Handle(Get(1, "id"))), ElementsAre("1 id=first"));
}

TEST(ValueStore, AnEmptyValueIsOne) {
  ValueStore store;
  store.Handle(Put(0, "id", ""));
  EXPECT_THAT(TextOf(store.Handle(Get(1, "id"))), ElementsAre("1 id="));
}

TEST(ValueStore, DropsWhatIsTooLarge) {
  ValueStore store;
  store.Handle(Put(0, "id", std::string(ValueStore::kLargestValue + 1, 'x')));
  EXPECT_THAT(store.Handle(Get(1, "id")), IsEmpty());
  const std::string largest(ValueStore::kLargestValue, 'x');
  EXPECT_THAT(store.Handle(Put(0, "id", largest)), SizeIs(1));
  const std::string key(ValueStore::kLongestKey + 1, 'k');
  store.Handle(Put(0, key, "value"));
  EXPECT_THAT(store.Handle(Get(1, key)), IsEmpty());
}

TEST(ValueStore, HoldsSoManyKeysAndNoMore) {
  ValueStore store;
  for (size_t i = 0; i < ValueStore::kMostKeys; ++i) {
    store.Handle(Put(0, absl::StrCat("key", i), "value"));
  }
  store.Handle(Put(0, "one more", "value"));
  EXPECT_THAT(store.Handle(Get(1, "one more")), IsEmpty());
  EXPECT_THAT(store.Handle(Get(1, "key0")), SizeIs(1));
}

TEST(ValueStore, ARequestForNothingIsNone) {
  ValueStore store;
  StoreRequest request = Get(1, "id");
  request.clear_action();
  EXPECT_THAT(store.Handle(request), IsEmpty());
  EXPECT_THAT(store.Handle(Put(0, "id", "abc")), IsEmpty());
}

}  // namespace
}  // namespace muster::fabric
