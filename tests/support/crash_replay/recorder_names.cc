// The part of the recorder that is about names.
#include <fcntl.h>
#include <linux/fs.h>

#include "tests/support/crash_replay/recorder.h"

namespace muster::test {
namespace {

using Kind = TraceEvent::Kind;

}  // namespace

// Makes an object of what has appeared at `place`.
void Recorder::AddObject(const PlaceOfName& place) {
  const std::optional<struct stat> status = StatusOf(place.path);
  if (!status.has_value() || !place.directory.has_value()) {
    Refuse(absl::StrCat("how ", place.name, " has come to be"));
    return;
  }
  TraceEvent event;
  event.kind = Kind::kAdd;
  event.object = trace_.objects.size();
  event.directory = *place.directory;
  event.name = place.name;
  trace_.objects.push_back({.is_directory = S_ISDIR(status->st_mode),
                            .mode = status->st_mode & 07777});
  table_.Add(*status, event.object);
  const std::string& parent = table_.NameOf(event.directory);
  table_.SetName(event.object, parent == "."
                                   ? place.name
                                   : absl::StrCat(parent, "/", place.name));
  event.what = absl::StrCat("make ", table_.NameOf(event.object));
  Push(std::move(event));
}

void Recorder::OnOpened(const NameCall& names, const Before& before) {
  if (!before.place.has_value()) {
    AddObject(names.place);
    return;
  }
  if (S_ISLNK(before.place->st_mode)) {
    Refuse("symbolic links");
    return;
  }
  const std::optional<ObjectId> object = table_.Find(*before.place);
  if (!object.has_value() || (names.flags & O_TRUNC) == 0 ||
      before.place->st_size == 0) {
    return;
  }
  TraceEvent event;
  event.kind = Kind::kResize;
  event.object = *object;
  event.what = absl::StrCat("resize ", table_.NameOf(*object), " to 0");
  Push(std::move(event));
}

void Recorder::OnRenamed(const NameCall& names, const Before& before) {
  if (!names.target.directory.has_value() || !before.place.has_value()) return;
  const bool replaces = before.target.has_value();
  if (replaces && before.target->st_ino == before.place->st_ino) return;
  const std::optional<ObjectId> object = table_.Find(*before.place);
  if (!object.has_value() || (names.flags & RENAME_WHITEOUT) != 0) {
    Refuse("this kind of rename");
    return;
  }
  TraceEvent event;
  event.kind =
      (names.flags & RENAME_EXCHANGE) != 0 ? Kind::kExchange : Kind::kRename;
  event.object = *object;
  event.directory = *names.place.directory;
  event.name = names.place.name;
  event.to_directory = *names.target.directory;
  event.to_name = names.target.name;
  event.what = absl::StrCat("rename ", table_.NameOf(*object), " to ",
                            names.target.name);
  if (event.kind == Kind::kRename && replaces &&
      (before.target->st_nlink == 1 || S_ISDIR(before.target->st_mode))) {
    table_.Forget(*before.target);
  }
  Push(std::move(event));
}

void Recorder::OnNames(const Before& before) {
  const NameCall& names = *before.names;
  switch (names.kind) {
    case NameCall::Kind::kOpen:
      OnOpened(names, before);
      break;
    case NameCall::Kind::kMakeDir:
      AddObject(names.place);
      break;
    case NameCall::Kind::kRename:
      OnRenamed(names, before);
      break;
    case NameCall::Kind::kUnlink: {
      if (!before.place.has_value()) break;
      const std::optional<ObjectId> object = table_.Find(*before.place);
      if (!object.has_value()) break;
      TraceEvent event;
      event.kind = Kind::kRemove;
      event.object = *object;
      event.directory = *names.place.directory;
      event.name = names.place.name;
      event.what = absl::StrCat("remove ", table_.NameOf(*object));
      if (before.place->st_nlink == 1 || S_ISDIR(before.place->st_mode)) {
        table_.Forget(*before.place);
      }
      Push(std::move(event));
      break;
    }
    case NameCall::Kind::kLink: {
      const std::optional<struct stat> made = StatusOf(names.target.path);
      const auto object = made.has_value() ? table_.Find(*made) : std::nullopt;
      if (!object.has_value()) {
        Refuse("links to files from elsewhere");
        break;
      }
      TraceEvent event;
      event.kind = Kind::kAdd;
      event.object = *object;
      event.directory = *names.target.directory;
      event.name = names.target.name;
      event.what = absl::StrCat("link ", table_.NameOf(*object), " as ",
                                names.target.name);
      Push(std::move(event));
      break;
    }
    case NameCall::Kind::kNode:
      break;  // refused before it began
  }
}

}  // namespace muster::test
