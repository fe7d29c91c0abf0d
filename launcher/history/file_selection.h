// Which files of a run a PREFIX means, and where `muster get` puts them.
#ifndef MUSTER_LAUNCHER_HISTORY_FILE_SELECTION_H_
#define MUSTER_LAUNCHER_HISTORY_FILE_SELECTION_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "proto/history.pb.h"

namespace muster::history {

// The rule, in three sentences:
//
// 1. PREFIX is what paths begin with; one that begins with "outputs" is looked
//    for on every node, as if nodes/node<k>/ stood in front of it.
// 2. A file goes below DIR by the rest of its path after the last "/" of
//    PREFIX: `outputs/` puts outputs/a/b to DIR/a/b.
// 3. Where two nodes have a file of one path then (or one has a file where
//    another has a directory), the files of every node go below DIR/node<k>/.

// What the source is to be asked for; more than PREFIX means where it is on
// every node.
std::string ListedPrefix(absl::string_view prefix);

struct SelectedFile {
  FileEntry file;
  std::string target;  // below DIR; as hostile as the path that it is made of
};

struct FileSelection {
  std::vector<SelectedFile> files;  // in the order of their paths
  bool by_node = false;             // each node has a directory of its own
  std::string shared;               // a path that two nodes have, where by_node
};

// `files`: what was listed for ListedPrefix(prefix).
FileSelection SelectFiles(std::vector<FileEntry> files,
                          absl::string_view prefix);

}  // namespace muster::history

#endif  // MUSTER_LAUNCHER_HISTORY_FILE_SELECTION_H_
