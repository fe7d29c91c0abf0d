// JSON from elsewhere, read with every shape checked. Never throws.
#ifndef MUSTER_ENV_SCHEDULERS_JSON_READING_H_
#define MUSTER_ENV_SCHEDULERS_JSON_READING_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "env/schedulers/discovery.h"

namespace muster::env {

// Any value of JSON.
//
// Errors:
//   InvalidArgument  `evidence.value` is no JSON, or more than 1 MiB.
absl::StatusOr<nlohmann::json> ParseJson(const Evidence& evidence);

// The value of `key`; null where `json` is no object or has no such key.
const nlohmann::json* Member(const nlohmann::json& json, const char* key);
// The text of `key`; none where it is missing or no text.
std::optional<std::string> TextMember(const nlohmann::json& json,
                                      const char* key);
// The number of `key` from 0 to 65535, which may be written as text; none
// where it is anything else.
std::optional<uint32_t> IndexMember(const nlohmann::json& json,
                                    const char* key);

// Every element of an array of texts.
//
// Errors:
//   InvalidArgument  anything else; `what` names it in the text.
absl::StatusOr<std::vector<std::string>> Texts(const nlohmann::json& json,
                                               const std::string& what);

}  // namespace muster::env

#endif  // MUSTER_ENV_SCHEDULERS_JSON_READING_H_
