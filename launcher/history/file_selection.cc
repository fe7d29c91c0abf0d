#include "launcher/history/file_selection.h"

#include <map>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace muster::history {
namespace {

constexpr char kNodes[] = "nodes/";

bool IsOnEveryNode(absl::string_view prefix) {
  return absl::StartsWith(prefix, "outputs");
}

// "nodes/node1/outputs/a" is "node1" and "outputs/a".
struct NodePath {
  absl::string_view node;
  absl::string_view path;
};

std::optional<NodePath> SplitNode(absl::string_view path) {
  if (!absl::StartsWith(path, kNodes)) return std::nullopt;
  path.remove_prefix(sizeof kNodes - 1);
  const size_t end = path.find('/');
  if (end == absl::string_view::npos) return std::nullopt;
  return NodePath{path.substr(0, end), path.substr(end + 1)};
}

// Finds what two nodes would put to one place. Each path is kept with all
// directories above it.
class Places {
 public:
  // Whether another node has that place.
  bool IsTaken(const std::string& node, absl::string_view target) {
    for (size_t end = 0; end != absl::string_view::npos;) {
      end = target.find('/', end == 0 ? 0 : end + 1);
      const bool is_file = end == absl::string_view::npos;
      const auto [place, is_new] = places_.try_emplace(
          std::string(target.substr(0, end)), Place{node, is_file});
      // Directories may well be shared.
      if (!is_new && place->second.node != node &&
          (is_file || place->second.is_file)) {
        return true;
      }
    }
    return false;
  }

 private:
  struct Place {
    std::string node;
    bool is_file;
  };
  std::map<std::string, Place> places_;
};

}  // namespace

std::string ListedPrefix(absl::string_view prefix) {
  return std::string(IsOnEveryNode(prefix) ? kNodes : prefix);
}

FileSelection SelectFiles(std::vector<FileEntry> files,
                          absl::string_view prefix) {
  FileSelection selection;
  const size_t slash = prefix.rfind('/');
  const size_t cut = slash == absl::string_view::npos ? 0 : slash + 1;
  std::vector<std::string> nodes;
  Places places;
  for (FileEntry& file : files) {
    absl::string_view path = file.path();
    std::string node;
    if (IsOnEveryNode(prefix)) {
      const std::optional<NodePath> split = SplitNode(path);
      if (!split || !absl::StartsWith(split->path, prefix)) continue;
      path = split->path;
      node = std::string(split->node);
    } else if (!absl::StartsWith(path, prefix)) {
      continue;
    }
    std::string target(path.substr(cut));
    if (!selection.by_node && places.IsTaken(node, target)) {
      selection.by_node = true;
      selection.shared = target;
    }
    nodes.push_back(std::move(node));
    selection.files.push_back({std::move(file), std::move(target)});
  }
  for (size_t i = 0; selection.by_node && i < nodes.size(); ++i) {
    std::string& target = selection.files[i].target;
    target = absl::StrCat(nodes[i], "/", target);
  }
  return selection;
}

}  // namespace muster::history
