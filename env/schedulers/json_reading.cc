#include "env/schedulers/json_reading.h"

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/schedulers/number.h"
#include "env/schedulers/reading.h"

namespace muster::env {
namespace {

constexpr size_t kMaxBytes = 1 << 20;
constexpr uint32_t kMaxIndex = 65535;

}  // namespace

absl::StatusOr<nlohmann::json> ParseJson(const Evidence& evidence) {
  if (evidence.value.size() > kMaxBytes) {
    return WrongValue(evidence, "is larger than 1 MiB");
  }
  nlohmann::json json = nlohmann::json::parse(evidence.value, nullptr,
                                              /*allow_exceptions=*/false);
  if (json.is_discarded()) {
    return WrongValue(evidence, "is no valid JSON; was it cut short?");
  }
  return json;
}

const nlohmann::json* Member(const nlohmann::json& json, const char* key) {
  if (!json.is_object()) return nullptr;
  const auto found = json.find(key);
  return found == json.end() ? nullptr : &*found;
}

std::optional<std::string> TextMember(const nlohmann::json& json,
                                      const char* key) {
  const nlohmann::json* member = Member(json, key);
  if (member == nullptr || !member->is_string()) return std::nullopt;
  return member->get_ref<const std::string&>();
}

std::optional<uint32_t> IndexMember(const nlohmann::json& json,
                                    const char* key) {
  const nlohmann::json* member = Member(json, key);
  if (member == nullptr) return std::nullopt;
  uint32_t index = 0;
  if (member->is_string()) {
    if (!ParseNumber(member->get_ref<const std::string&>(), &index) ||
        index > kMaxIndex) {
      return std::nullopt;
    }
    return index;
  }
  if (!member->is_number_unsigned()) return std::nullopt;
  const auto number = member->get<uint64_t>();
  if (number > kMaxIndex) return std::nullopt;
  return static_cast<uint32_t>(number);
}

absl::StatusOr<std::vector<std::string>> Texts(const nlohmann::json& json,
                                               const std::string& what) {
  std::vector<std::string> texts;
  bool right = json.is_array();
  if (right) {
    for (const nlohmann::json& element : json) {
      right = right && element.is_string();
      if (right) texts.push_back(element.get_ref<const std::string&>());
    }
  }
  if (!right) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " must be a list of texts"));
  }
  return texts;
}

}  // namespace muster::env
