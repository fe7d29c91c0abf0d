#include "rendezvous/token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <concepts>
#include <fstream>
#include <ostream>
#include <set>
#include <type_traits>
#include <utility>

namespace muster::rendezvous {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

constexpr char kSecret[] = "correct-horse-battery-staple";

template <typename T>
concept Printable = requires(std::ostream& out, const T& value) {
  out << value;
};
static_assert(!Printable<Token>);
static_assert(!std::convertible_to<Token, absl::string_view>);
static_assert(!std::is_copy_constructible_v<Token>);
static_assert(!std::is_copy_assignable_v<Token>);

class TokenFile : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(mkdtemp(directory_), nullptr);
    path_ = std::string(directory_) + "/token";
  }
  void TearDown() override {
    unlink(path_.c_str());
    rmdir(directory_);
  }

  void Write(const std::string& text, mode_t mode = 0600) {
    std::ofstream(path_, std::ios::binary) << text;
    ASSERT_EQ(chmod(path_.c_str(), mode), 0);
  }

  // The message of the error that `text` in the file causes.
  std::string ErrorFor(const std::string& text) {
    Write(text);
    absl::StatusOr<LoadedToken> loaded = LoadToken(std::nullopt, path_);
    EXPECT_EQ(loaded.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(loaded.status().message());
  }

  char directory_[32] = "/tmp/muster-token-XXXXXX";
  std::string path_;
};

TEST(GenerateToken, MakesRecognisableTokensOf256Bits) {
  absl::StatusOr<Token> token = GenerateToken();
  ASSERT_TRUE(token.ok()) << token.status();
  // 52 characters of 5 bits hold 256.
  EXPECT_THAT(std::string(token->secret()),
              MatchesRegex("muster-[a-z2-7]{52}"));
}

TEST(GenerateToken, MakesADifferentOneEachTime) {
  std::set<std::string> seen;
  std::set<char> characters;
  for (int i = 0; i < 200; ++i) {
    const std::string text(GenerateToken()->secret());
    seen.insert(text);
    characters.insert(text.begin() + 7, text.end());
  }
  EXPECT_EQ(seen.size(), 200u);
  EXPECT_EQ(characters.size(), 32u);
}

TEST(GenerateToken, MakesWhatLoadTokenTakes) {
  const std::string text(GenerateToken()->secret());
  absl::StatusOr<LoadedToken> loaded = LoadToken(text, "");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->token->secret(), text);
}

TEST(Token, IsEmptyOnceMovedFrom) {
  Token first(kSecret);
  Token second(std::move(first));
  EXPECT_EQ(second.secret(), kSecret);
  EXPECT_TRUE(first.secret().empty());  // NOLINT(bugprone-use-after-move)
  Token third("another secret");
  third = std::move(second);
  EXPECT_EQ(third.secret(), kSecret);
}

TEST(LoadToken, GivesNoneWithoutASource) {
  for (const auto& variable :
       {std::optional<std::string>(), std::optional<std::string>("")}) {
    absl::StatusOr<LoadedToken> loaded = LoadToken(variable, "");
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_FALSE(loaded->token.has_value());
  }
}

TEST(LoadToken, RefusesAShortVariableAndNamesTheRemedy) {
  absl::StatusOr<LoadedToken> loaded = LoadToken("fifteen-letters", "");
  EXPECT_EQ(loaded.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(loaded.status().message()),
              AllOf(HasSubstr("MUSTER_TOKEN"), HasSubstr("`muster token`"),
                    Not(HasSubstr("fifteen-letters"))));
  EXPECT_TRUE(LoadToken("sixteen-letters!", "").ok());
}

TEST_F(TokenFile, IsReadWithoutItsLineEnd) {
  for (const char* end : {"", "\n", "\r\n", "\n\n"}) {
    Write(std::string(kSecret) + end);
    absl::StatusOr<LoadedToken> loaded = LoadToken(std::nullopt, path_);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ(loaded->token->secret(), kSecret);
    EXPECT_EQ(loaded->warning, "");
  }
}

TEST_F(TokenFile, MayBeAPipe) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(write(ends[1], kSecret, sizeof(kSecret) - 1),
            static_cast<ssize_t>(sizeof(kSecret) - 1));
  close(ends[1]);
  absl::StatusOr<LoadedToken> loaded =
      LoadToken(std::nullopt, "/dev/fd/" + std::to_string(ends[0]));
  close(ends[0]);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->token->secret(), kSecret);
}

TEST_F(TokenFile, MaySayTheSameAsTheVariableAndNothingElse) {
  Write(std::string(kSecret) + "\n");
  EXPECT_TRUE(LoadToken(kSecret, path_).ok());
  absl::Status status = LoadToken("another-secret-of-it", path_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("MUSTER_TOKEN"), HasSubstr(path_),
                    Not(HasSubstr(kSecret)), Not(HasSubstr("another"))));
}

TEST_F(TokenFile, IsRefusedWhenItHoldsNoToken) {
  EXPECT_THAT(ErrorFor(""), AllOf(HasSubstr(path_), HasSubstr("is empty")));
  EXPECT_THAT(ErrorFor("\n\n"), HasSubstr("is empty"));
  EXPECT_THAT(ErrorFor("too-short"), HasSubstr("`muster token`"));
  EXPECT_THAT(ErrorFor("two words in this file"),
              AllOf(HasSubstr("white space"), Not(HasSubstr("words"))));
  EXPECT_THAT(ErrorFor(std::string(kSecret) + "\nsecond line"),
              HasSubstr("white space"));
  EXPECT_THAT(ErrorFor(std::string("nul-inside\0nul-inside", 21)),
              HasSubstr("NUL"));
}

TEST_F(TokenFile, IsRefusedOver4KiB) {
  Write(std::string(4096, 'x'));
  EXPECT_TRUE(LoadToken(std::nullopt, path_).ok());
  EXPECT_THAT(ErrorFor(std::string(4097, 'x')), HasSubstr("larger than 4096"));
}

TEST_F(TokenFile, IsNamedWhenItIsMissingOrADirectory) {
  absl::Status missing = LoadToken(std::nullopt, path_).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()),
              HasSubstr("--token-file " + path_));
  absl::Status directory = LoadToken(std::nullopt, directory_).status();
  EXPECT_EQ(directory.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(directory.message()), HasSubstr("is a directory"));
}

TEST_F(TokenFile, IsNamedWhenItMayNotBeRead) {
  Write(kSecret, 0000);
  ASSERT_EQ(chmod(directory_, 0755), 0);
  // Root may read everything, so it becomes nobody for the call.
  const bool root = geteuid() == 0;
  if (root) {
    ASSERT_EQ(seteuid(65534), 0);
  }
  absl::Status status = LoadToken(std::nullopt, path_).status();
  if (root) {
    ASSERT_EQ(seteuid(0), 0);
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(status.message()), HasSubstr(path_));
}

TEST_F(TokenFile, IsTakenWithAWarningWhenOthersMayReadIt) {
  for (mode_t mode : {0640, 0604, 0666}) {
    Write(kSecret, mode);
    absl::StatusOr<LoadedToken> loaded = LoadToken(std::nullopt, path_);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_THAT(loaded->warning, AllOf(HasSubstr(path_), HasSubstr("chmod")));
  }
}

}  // namespace
}  // namespace muster::rendezvous
